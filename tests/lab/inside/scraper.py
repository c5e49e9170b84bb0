#!/usr/bin/env python3
"""What a Prometheus would have had: URL SECONDS, a line of JSON for each scrape, with its time and the text as it came.

The first is the first that is answered; after that each is told, also one that is not.
"""
import json
import sys
import time
import urllib.request


def main(url, seconds):
    answered = False
    while True:
        began = time.time_ns()
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                told = {"time_ns": began, "text": answer.read().decode()}
            answered = True
        except OSError as error:
            told = {"time_ns": began, "error": str(error)}
        if answered:
            print(json.dumps(told), flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
