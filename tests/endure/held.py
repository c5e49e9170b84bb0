"""What a process holds, over time: resident memory, descriptors, threads; and whether a series of it rises."""
import math
import os


class Held:
    """Readings of one process. Times are simulated days; between faults, where no day goes by, the number of domains."""

    def __init__(self, name, pid):
        self.name = name
        self.pid = pid
        self.readings = []      # (day, resident bytes, descriptors, threads)

    def look(self, day):
        with open("/proc/%d/status" % self.pid) as file:
            told = dict(line.split(":", 1) for line in file)
        self.readings.append((day, int(told["VmRSS"].split()[0]) * 1024, len(os.listdir("/proc/%d/fd" % self.pid)),
                              int(told["Threads"])))

    def keep(self, path):
        """All readings as CSV."""
        rows = [("day", "rss", "descriptors", "threads"), *self.readings]
        path.write_text("".join("%s\n" % ",".join(map(str, row)) for row in rows))

    def first_and_last(self, column):
        """Two readings that can be compared: what the most domains once took is no growth, so the first is one beside so many,
        where there were more than three."""
        most = max(one[0] for one in self.readings)
        beside = [one for one in self.readings if one[0] == most]
        return (beside if len(beside) > 3 else self.readings)[2][column], self.readings[-1][column]

    def rises(self, column, limit, allowed):
        """(% per day, level, whether it is too much) of the readings after the first third.

        Too much is more than ``limit`` % per day, chance in 1 of 40 aside; where the whole time is but a part of a day, more
        than ``allowed`` % in all of it too.
        """
        kept = self.readings[len(self.readings) // 3:]
        slope, error, level = fitted([(one[0], one[column]) for one in kept])
        least = 100 * (slope - 2 * error) / level
        return 100 * slope / level, level, least > limit and least * (kept[-1][0] - kept[0][0]) > allowed


def rests(pid):
    """Whether no thread of a process runs, or waits for a CPU or a disk."""
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, task)) as file:
                if file.read().rpartition(")")[2].split()[0] in "RD":
                    return False
    except OSError:
        return False        # something has just ended
    return True


def cpu_seconds(pid):
    """CPU time of a process so far."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fitted(points):
    """Least squares: (slope, its standard error, mean). Neighbours are alike, so points are taken together by tens at first."""
    size = max(1, len(points) // 30)
    groups = [points[at:at + size] for at in range(0, len(points) - size + 1, size)]
    points = [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
    n = len(points)
    x_mean, y_mean = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    if n < 3 or not spread:
        return 0.0, 0.0, y_mean
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (n - 2) / spread), y_mean
