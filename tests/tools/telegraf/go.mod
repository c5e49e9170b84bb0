// Which Telegraf the tests build (see ../gobuild.py), with the checksums of all that goes into it in go.sum.
// To renew: change the version below, empty go.sum, and run `python3 tests/tools/provision.py telegraf`: it says what to do.
module xenmeter.invalid/telegraf

go 1.26

require github.com/influxdata/telegraf v1.37.2
