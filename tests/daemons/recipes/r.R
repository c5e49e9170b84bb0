# The file comes from: xenmeter xentop --format csv --csv-time epoch > xentop.csv
xentop <- read.csv("xentop.csv", na.strings = "")
print(aggregate(cbind(cpu_percent, mem_bytes) ~ name, xentop, mean))
