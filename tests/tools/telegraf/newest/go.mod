// The newest Telegraf, for `make backends`; ../go.mod says how to renew it.
module xenmeter.invalid/telegraf

go 1.26.0

require github.com/influxdata/telegraf v1.39.0
