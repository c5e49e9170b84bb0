"""What the study tries: schedulers, rate limits, weightings, and rates that rise until the server has enough."""
import dataclasses

__all__ = ("PAGE", "Plan", "WEIGHTS", "SMALL", "WHOLE")

#: Asked for by each connection, 10 KB.
PAGE = "/10k"
#: The paper's four configurations: dom0's share of the CPU as a multiple of the guest's; here weights of dom0 and the guest.
WEIGHTS = {"0.5": (256, 512), "1": (256, 256), "2": (512, 256), "10": (2560, 256)}


@dataclasses.dataclass(frozen=True)
class Plan:
    """One boot's share of the study.

    :ivar scheduler: credit2 or credit. :ivar limits: sched_ratelimit_us, each with all weightings.
    :ivar rates: connections asked for each second, rising. :ivar seconds: of each. :ivar rest: seconds before each.
    """

    scheduler: str
    limits: tuple
    weights: tuple
    rates: tuple
    seconds: int
    rest: int = 2
    #: Before the first rate of a configuration; what the domains do then is taken for idle.
    idle: int = 5

    def configurations(self):
        """(name of a file, label, commands for dom0) of each."""
        for limit in self.limits:
            for weight in self.weights:
                mine, theirs = WEIGHTS[weight]
                word = "sched-" + self.scheduler
                yield (f"{self.scheduler}-{limit}-{weight}", f"{self.scheduler}, rate limit {limit} us/dom0 x {weight}",
                       [["xl", word, "-s", "-r", str(limit)], ["xl", word, "-d", "0", "-w", str(mine)],
                        ["xl", word, "-d", "web", "-w", str(theirs)], ["xl", word]])

    def lasts(self):
        """About so many seconds without the boot: a recording takes some 15 to begin and to end."""
        each = self.idle + len(self.rates) * (self.seconds + self.rest + 2) + 15
        return each * len(self.limits) * len(self.weights)


#: Xen's default, none, and what the default is to a CPU so much slower: emulated, a request takes some 25 times as long.
LIMITS = (1000, 0, 25000)
#: A boot of `make lab-all`.
SMALL = Plan("credit2", LIMITS, ("0.5", "10"), (10, 55), 10)
WHOLE = tuple(Plan(scheduler, LIMITS, tuple(WEIGHTS), (10, 20, 30, 40, 55), 8) for scheduler in ("credit2", "credit"))
