#!/usr/bin/env python3
"""A replay end to end against the tools that alert by such rules: the same data, the same rules, the same firings.

    tests/bench/opponents/alerting_tools.py vmalert|promtool [--slos N] [--days D] [--pairs N] [--points N]
                                            [--engine auto|interp|jit]

vmalert   `vmalert -replay` over a victoria-metrics of its own. Its CPU time is that of both processes during the
          replay; what importing took is said apart, with the merges after it.
promtool  `promtool test rules`, which is told how often each alert must fire and fails otherwise.
Ours is `signalbox replay`, from a file of text. Loading in, it reads the text (`--no-cache`). Loading out, it has read it
before, as victoria-metrics has, and reads its columns: what that and its start take is what the same command takes over
the last tick alone, and is taken off; both are medians of five runs in each pair, since the difference is small. All
times are user and system CPU seconds of every process that takes part.
"""
import argparse
import collections
import datetime
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "..", "build")
SIGNALBOX = os.path.join(BUILD, "signalbox")
BENCH_DATA = os.path.join(BUILD, "tests", "bench_data")


def die(message):
    sys.exit(f"alerting_tools: {message}")


def run(command, out=subprocess.DEVNULL):
    """Runs it to its end; its CPU seconds and those of its children, and its status."""
    process = subprocess.Popen(command, stdout=out, stderr=out)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, process.returncode


def generate(path, *arguments):
    with open(path, "wb") as out:
        subprocess.run([BENCH_DATA, *map(str, arguments)], stdout=out, check=True)


def spread(values, unit=""):
    return f"{statistics.median(values):.3f}{unit} ({min(values):.3f} to {max(values):.3f})"


def seconds_of(rfc3339):
    return int(datetime.datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp())


class Ours:
    def __init__(self, folder, slos, days, engine):
        self.engine = engine
        self.cache = os.path.join(folder, "cache")
        self.program, self.text = os.path.join(folder, "program.slo"), os.path.join(folder, "recording.om")
        generate(self.program, "replay", slos)
        generate(self.text, "recording", "pages", slos, days)
        document = self.replay_json()
        self.start, self.end = document["from"], document["to"]
        self.firing = firing_by_events(document)

    def command(self, *more):
        return [SIGNALBOX, "replay", "--engine", self.engine, "--data", self.text, *more, self.program]

    def replay_json(self):
        done = subprocess.run(self.command("--json", "--cache", self.cache), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        return json.loads(done.stdout)

    def cost(self, *more):
        cpu, status = run(self.command(*more))
        if status != 0:
            die(f"signalbox replay ended with {status}")
        return cpu

    def loading_in(self):
        return self.cost("--no-cache")

    def loading_out(self):
        whole, last_tick = [], []
        for _ in range(5):
            whole.append(self.cost("--cache", self.cache))
            last_tick.append(self.cost("--cache", self.cache, "--from", self.end))
        return max(statistics.median(whole) - statistics.median(last_tick), 0.001)


def firing_by_events(document):
    """Alert name → the ticks at which it fires, in seconds."""
    firing, begun = collections.defaultdict(set), {}
    for event in document["events"]:
        at = seconds_of(event["time"])
        if event["kind"] in ("page", "ticket"):
            window = re.search(r" over (\S+) and", event["why"]).group(1)
            begun[event["id"]] = (at, f"{event['declaration']}_{window}")
        elif event["kind"] == "resolved":
            since, name = begun.pop(event["id"])
            firing[name].update(range(since, at, 60))
    for since, name in begun.values():
        firing[name].update(range(since, seconds_of(document["to"]) + 60, 60))
    return firing


# --- vmalert -------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class VictoriaMetrics:
    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["victoria-metrics", f"-storageDataPath={os.path.join(folder, 'victoria')}",
             f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y", "-loggerLevel=ERROR",
             "-search.maxPointsPerTimeseries=100000"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                self.get("/health")
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        die("victoria-metrics does not answer")

    def get(self, path, body=None, **query):
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=600) as answer:
            return answer.read()

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, text):
        """Pages of a few MB, times in milliseconds; until the server rests again. Its CPU seconds."""
        before = self.cpu()
        page = []
        size = 0

        def send():
            self.get("/api/v1/import/prometheus", body="".join(page).encode())
            page.clear()

        with open(text) as lines:
            for line in lines:
                if line.startswith("#"):
                    continue
                page.append(line[:-1] + "000\n")
                size += len(line)
                if size > 8_000_000:
                    send()
                    size = 0
        send()
        self.get("/internal/force_flush")
        resting = 0
        while resting < 3:
            was = self.cpu()
            time.sleep(1)
            resting = resting + 1 if self.cpu() - was < 0.05 else 0
        return self.cpu() - before

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def firing_by_server(server, run_name):
    firing, twice = collections.defaultdict(set), 0
    selector = f'ALERTS{{alertstate="firing",run="{run_name}"}}'
    for line in server.get("/api/v1/export", **{"match[]": selector}).splitlines():
        series = json.loads(line)
        ticks = firing[series["metric"]["alertname"]]
        for ms in series["timestamps"]:
            twice += ms // 1000 in ticks
            ticks.add(ms // 1000)
    return firing, twice


def against_vmalert(folder, slos, days, given):
    ours = Ours(folder, slos, days, given.engine)
    rules = os.path.join(folder, "rules.yml")
    generate(rules, "rules", slos)
    server = VictoriaMetrics(folder)
    try:
        imported = server.load(ours.text)
        full, left, theirs = [], [], []
        evaluations = sum(map(len, ours.firing.values()))
        for pair in range(given.pairs):
            server.get("/internal/resetRollupResultCache")
            before = server.cpu()
            cpu, status = run(
                ["vmalert", f"-rule={rules}", f"-datasource.url={server.url}", f"-remoteWrite.url={server.url}",
                 # Without it every fifth tick is evaluated, whatever the group's interval.
                 "-datasource.queryStep=1m", f"-external.label=run={pair}", f"-replay.timeFrom={ours.start}",
                 f"-replay.timeTo={ours.end}", f"-replay.maxDatapointsPerQuery={given.points}", "-replay.rulesDelay=0",
                 "-replay.disableProgressBar", "-loggerLevel=ERROR", f"-httpListenAddr=127.0.0.1:{free_port()}"])
            if status != 0:
                die(f"vmalert ended with {status}")
            theirs.append(cpu + server.cpu() - before)
            full.append(ours.loading_in())
            left.append(ours.loading_out())
            if pair == 0:
                server.get("/internal/force_flush")
                fired, twice = firing_by_server(server, "0")
                if fired != ours.firing:
                    extra = sum(len(fired[n] - ours.firing[n]) for n in fired)
                    missing = sum(len(ours.firing[n] - fired[n]) for n in ours.firing)
                    die(f"firings DIFFER: {missing} of {evaluations} are ours alone, {extra} are vmalert's alone")
                print(f"{slos} SLOs of 8 windows, {days} days: {evaluations} firings of {len(fired)} alerts, at the "
                      f"same ticks ({twice} twice at vmalert's, where its queries meet)")
    finally:
        server.stop()
    print(f"signalbox replay, loading in      {spread(full, ' s')}, --engine {given.engine}")
    print(f"signalbox replay, loading out     {spread(left, ' s')}")
    print(f"vmalert, loading out              {spread(theirs, ' s')}, {given.points} points a query")
    print(f"import into victoria-metrics      {imported:.3f} s, once")
    print(f"ratio, loading out for both       {spread([t / l for t, l in zip(theirs, left)])}")
    print(f"ratio, loading in for both        {spread([(t + imported) / f for t, f in zip(theirs, full)])}")


# --- promtool ------------------------------------------------------------------------------------------------------


def against_promtool(folder, slos, days, given):
    ours = Ours(folder, slos, days, given.engine)
    generate(os.path.join(folder, "rules.yml"), "rules", slos)
    tests = os.path.join(folder, "tests.yml")
    generate(tests, "tests", slos, days)
    minutes = int(days * 1440) - 1
    with open(tests, "a") as out:
        out.write("  promql_expr_test:\n"
                  f"  - expr: sum by (alertname) (count_over_time(ALERTS{{alertstate=\"firing\"}}[{minutes}m]))\n"
                  f"    eval_time: {minutes}m\n    exp_samples:\n")
        for name, ticks in sorted(ours.firing.items()):
            out.write(f"    - {{labels: '{{alertname=\"{name}\"}}', value: {len(ticks)}}}\n")
    full, theirs = [], []
    for _ in range(given.pairs):
        cpu, status = run(["promtool", "test", "rules", tests])
        if status != 0:
            die("promtool does not find the firings that are ours: promtool test rules " + tests)
        theirs.append(cpu)
        full.append(ours.loading_in())
    evaluations = sum(map(len, ours.firing.values()))
    print(f"{slos} SLOs of 8 windows, {days} days: {evaluations} firings of {len(ours.firing)} alerts, as many of each")
    print(f"signalbox replay, loading in      {spread(full, ' s')}, --engine {given.engine}")
    print(f"promtool test rules, loading in   {spread(theirs, ' s')}")
    print(f"ratio                             {spread([t / f for t, f in zip(theirs, full)])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("opponent", choices=["vmalert", "promtool"])
    parser.add_argument("--slos", type=int, default=0, help="default: 100 for vmalert, 8 for promtool")
    parser.add_argument("--days", type=float, default=0, help="default: 27 for vmalert, 4 for promtool")
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--points", type=int, default=20000, help="points a query of vmalert's; its own default is 1000")
    parser.add_argument("--engine", choices=["auto", "interp", "jit"], default="auto", help="of signalbox replay")
    given = parser.parse_args()
    if given.pairs < 1 or given.slos < 0 or given.days < 0:
        die("--pairs, --slos and --days are to be positive")
    for program in [SIGNALBOX, BENCH_DATA]:
        if not os.path.exists(program):
            die(f"{os.path.relpath(program)} is not there: ./dev bench builds it")
    needed = ["vmalert", "victoria-metrics"] if given.opponent == "vmalert" else ["promtool"]
    for program in needed:
        if shutil.which(program) is None:
            die(f"{program} is not there: ./dev setup bench installs it")
    against = against_vmalert if given.opponent == "vmalert" else against_promtool
    slos, days = (100, 27.0) if given.opponent == "vmalert" else (8, 4.0)
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        against(folder, given.slos or slos, given.days or days, given)


main()
