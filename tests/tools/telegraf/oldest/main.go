// Telegraf of a time that had no build tags: its own main package brings every plugin there was, and modules that are no longer to
// be had. This one brings those that the tests need, and runs the agent as that one does.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/logger"
	_ "github.com/influxdata/telegraf/plugins/inputs/execd"
	_ "github.com/influxdata/telegraf/plugins/outputs/file"
	_ "github.com/influxdata/telegraf/plugins/outputs/influxdb"
)

var version = "unknown"

func run(file string, test bool, wait time.Duration) error {
	log.Printf("I! Starting Telegraf %s", version)
	loaded := config.NewConfig()
	if err := loaded.LoadConfig(file); err != nil {
		return err
	}
	running, err := agent.NewAgent(loaded)
	if err != nil {
		return err
	}
	logger.SetupLogging(logger.LogConfig{LogTarget: loaded.Agent.LogTarget, Logfile: loaded.Agent.Logfile})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if test {
		return running.Test(ctx, wait)
	}
	return running.Run(ctx)
}

func main() {
	file := flag.String("config", "", "configuration file")
	test := flag.Bool("test", false, "gather once, print what came, and exit")
	wait := flag.Int("test-wait", 0, "with --test: seconds to wait for it")
	told := flag.Bool("version", false, "say the version and exit")
	flag.Parse()
	if *told {
		fmt.Println("Telegraf", version)
		return
	}
	logger.SetupLogging(logger.LogConfig{})
	if err := run(*file, *test || *wait != 0, time.Duration(*wait)*time.Second); err != nil && err != context.Canceled {
		log.Fatalf("E! [telegraf] Error running agent: %v", err)
	}
}
