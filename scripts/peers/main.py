"""scripts/bench-peers: the run itself. Options, the environment of the peers, the measurements, the report."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import contenders as who
import environment
import measure
import mla4j
import model_files
import report
import shapes as shapes_of
from process import PeerError, Worker, cores

HERE = Path(__file__).resolve().parent
SCRIPTS = {
    "torch": "torch_worker.py",
    "transformers": "transformers_worker.py",
    "llama": "llama_worker.py",
    "ik": "llama_worker.py",
}
TYPES = ["f16", "bf16", "q8_0", "f32"]
# Agreement is checked on a few ids: enough for rotary positions and the cache to matter.
CHECKED_IDS = [(i * 7919 + 13) % 1000 for i in range(24)]


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


def options(arguments):
    parser = argparse.ArgumentParser(
        prog="bench-peers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Compares mla4j with torch, transformers, llama.cpp and ik_llama.cpp: the same shapes, weights, ids, threads and\n"
            "processors, taken in turn in one run. Peers are installed into build/peers/venv on first use (llama.cpp and\n"
            "ik_llama.cpp are compiled with -march=native, which takes minutes). Every peer is warmed up; each of its settings\n"
            "(flash attention, cache type, ...) is tried, and the best one is reported. A peer that cannot be installed or run\n"
            "is named with the reason."
        ),
    )
    parser.add_argument(
        "--peers", default="torch,transformers,llama,ik", metavar="LIST", help="default: %(default)s"
    )
    parser.add_argument("--shapes", metavar="LIST", help=f"default: {shapes_of.DEFAULT}")
    parser.add_argument("--threads", default=None, metavar="LIST", help="default: 1 and all physical cores")
    parser.add_argument(
        "--preset",
        default="dense-461m",
        metavar="NAME",
        help="model of `mla4j bench make-model`; default: %(default)s",
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="a model folder instead of a preset")
    parser.add_argument(
        "--backends",
        default="native,vector",
        metavar="LIST",
        help="of mla4j; the first one everywhere, the others only for prompt and generate; default: %(default)s",
    )
    parser.add_argument(
        "--weights",
        default="bf16",
        metavar="LIST",
        help=f"types of the model's matrices, of {', '.join(model_files.TYPES)}: a GGUF file each, which mla4j, llama and ik read;"
        " default: %(default)s",
    )
    parser.add_argument(
        "--cache-types", default=",".join(TYPES), metavar="LIST", help="of llama and ik; default: %(default)s"
    )
    parser.add_argument(
        "--own-cache-types",
        metavar="LIST",
        help="of mla4j, among which its best one is sought as those of the others are; default: what it chooses itself",
    )
    parser.add_argument(
        "--known",
        metavar="FILE",
        help=f"the JSON of an earlier run: of its settings only the {measure.KEPT} fastest are tried again for each row",
    )
    parser.add_argument(
        "--all-settings",
        action="store_true",
        help="try all settings at every context, not only those that were promising at smaller ones",
    )
    parser.add_argument(
        "--repetitions",
        type=int,
        default=5,
        metavar="N",
        help="rounds in which everybody has a turn; default: %(default)s",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="about five minutes once everything is installed: fewer shapes and settings, all cores, 3 repetitions",
    )
    parser.add_argument(
        "--llama-cpp",
        type=Path,
        metavar="DIR",
        help="folder of your own build of llama.cpp (holds libllama.so)",
    )
    parser.add_argument(
        "--ik-llama",
        type=Path,
        metavar="DIR",
        help="folder of your own build of ik_llama.cpp (holds libllama.so)",
    )
    parser.add_argument(
        "--settle",
        metavar="CMD",
        help="shell command that runs before every turn, for example one that waits for a quiet machine",
    )
    parser.add_argument("--json", metavar="FILE", help="write the run as JSON, - for stdout")
    parser.add_argument("--markdown", metavar="FILE", help="write the table as Markdown, - for stdout")
    parser.add_argument(
        "--plot", metavar="DIR", help="draw tokens per second by type of weights as SVG and PNG files"
    )
    chosen = parser.parse_args(arguments)

    def words(name, text, allowed):
        for word in text.split(","):
            if word not in allowed:
                parser.error(f"--{name}: {word!r}; allowed: {', '.join(allowed)}")
        return text.split(",")

    processors = len(os.sched_getaffinity(0))
    chosen.peers = words("peers", chosen.peers, list(SCRIPTS))
    chosen.cache_types = words("cache-types", chosen.cache_types, TYPES)
    chosen.weights = words("weights", chosen.weights, model_files.TYPES)
    chosen.own_cache_types = chosen.own_cache_types.split(",") if chosen.own_cache_types else []
    chosen.backends = words("backends", chosen.backends, ["native", "vector", "scalar"])
    if chosen.quick:
        chosen.repetitions = 3
        chosen.cache_types = [t for t in chosen.cache_types if t != "f32"] or chosen.cache_types
    if chosen.repetitions < 1:
        parser.error(f"--repetitions: {chosen.repetitions}; allowed: 1 or more")
    physical = str(len(cores()))
    threads = chosen.threads or (physical if chosen.quick else ",".join(dict.fromkeys(("1", physical))))
    if not all(t.isdigit() and 1 <= int(t) <= processors for t in threads.split(",")):
        parser.error(f"--threads: {threads}; allowed: 1 to {processors}")
    chosen.threads = [int(t) for t in threads.split(",")]
    try:
        chosen.shapes = shapes_of.parse(
            chosen.shapes or (shapes_of.QUICK if chosen.quick else shapes_of.DEFAULT)
        )
    except PeerError as e:
        parser.error(str(e))
    for option in ("model", "llama_cpp", "ik_llama"):
        folder = getattr(chosen, option)
        if folder and not folder.is_dir():
            parser.error(f"--{option.replace('_', '-')}: {folder} is no folder")
    try:
        chosen.known = earlier(chosen.known) if chosen.known else {}
    except (OSError, ValueError, KeyError, TypeError) as e:
        parser.error(f"--known: {chosen.known} is no JSON of an earlier run: {e}")
    if chosen.plot and chosen.json in (None, "-"):
        parser.error("--plot needs --json FILE, which is what is drawn")
    for option in ("json", "markdown"):
        file = getattr(chosen, option)
        if file and file != "-":
            try:
                open(file, "a").close()  # known now, not after hours
            except OSError as e:
                parser.error(f"--{option}: {file} cannot be written: {e.strerror}")
    return chosen


def row_key(row):
    return row["shape"], row["weights"], row["threads"]


def earlier(file):
    """The settings of an earlier run with their times: {row: {contender: {setting: ns}}}."""
    return {row_key(row): row["settings"] for row in json.loads(Path(file).read_text())["rows"]}


def own_build(folder):
    """libllama of somebody's own build, below the folder."""
    found = sorted(folder.rglob("libllama.so")) or sorted(folder.rglob("libllama.dylib"))
    if not found:
        raise PeerError(f"no libllama.so below {folder}")
    return found[0].resolve()


class Run:
    def __init__(self, chosen):
        self.chosen, self.workers = chosen, {}
        self.result = {
            "machine": {
                "system": platform.platform(),
                "processor": processor(),
                "processors": len(os.sched_getaffinity(0)),
            },
            "model": str(chosen.model or chosen.preset),
            "backends": chosen.backends,
            "versions": {},
            "features": {},
            "installed": {},
            "agreement": {},
            "missing": [],
            "rows": [],
        }
        self.model, self.files = None, {}  # the folder, and a GGUF file by type of weights
        self.absent = {}  # peers that cannot take part, and why: they stand in every row

    def missing(self, what, reason):
        say(f"{what}: {reason}")
        self.result["missing"].append({"what": what, "reason": str(reason)})

    def leave_out(self, peer, reason):
        say(f"{peer}: {reason}")
        self.absent[peer] = f"not measured: {reason}"

    def prepare(self):
        """Installs the peers and makes the model in the forms that they read."""
        needs_model = any(shape.of_model for shape in self.chosen.shapes)
        if needs_model:
            self.model = self.chosen.model or environment.FOLDER / "models" / self.chosen.preset
            if not self.chosen.model:
                say(f"the model {self.chosen.preset} in {self.model}")
                mla4j.make_model(self.chosen.preset, self.model)
            self.make_files()
        usable = []
        for peer in self.chosen.peers:
            try:
                if needs_model or peer == "torch":
                    note = environment.prepare(peer, say)
                    if note:
                        say(f"{peer}: {note}")
                        self.result["installed"][peer] = note
                    usable.append(peer)
            except PeerError as e:
                self.leave_out(peer, e)
        return usable

    def make_files(self):
        if self.chosen.weights == ["bf16"] and not {"llama", "ik"} & set(self.chosen.peers):
            self.files = {"bf16": self.model}  # nobody needs a copy of it
            return
        self.files, failures = model_files.all_of(self.model, self.chosen.weights, say)
        for weights, reason in failures.items():
            self.missing(f"weights {weights}", reason)

    def start(self, peer, threads):
        """A worker that has told its version."""
        variables = {"MLA4J_PEER": peer, "MLA4J_PEER_STATES": str(environment.FOLDER / "states")}
        if peer == "llama" and self.chosen.llama_cpp:
            variables["LLAMA_CPP_LIB_PATH"] = str(own_build(self.chosen.llama_cpp).parent)
        if peer == "ik" and self.chosen.ik_llama:
            variables["IK_LLAMA_CPP_LIB_PATH"] = str(own_build(self.chosen.ik_llama))
        log = environment.FOLDER / f"{peer}.log"
        worker = Worker(environment.PYTHON, HERE / SCRIPTS[peer], log, threads, variables)
        about = worker.call("about")
        self.result["versions"][peer], self.result["features"][peer] = about["version"], about["features"]
        return worker

    def arguments(self, contender, shape, weights):
        if not shape.of_model:
            return {"kind": shape.kind, "heads": shape.heads, "tokens": shape.tokens}
        found = {"kind": shape.kind, "model": str(self.model), "tokens": shape.tokens}
        if contender.family in ("llama", "ik"):
            found["model"], found["states"] = str(self.files[weights]), self.model.resolve().name
            found["capacity"] = max(s.tokens for s in self.chosen.shapes if s.of_model)
        return found

    def settle(self):
        if self.chosen.settle:
            subprocess.run(self.chosen.settle, shell=True, stdin=subprocess.DEVNULL, check=False)

    def worker(self, peer, threads):
        """A peer's worker; a new one where a setting has ended the last."""
        if not self.workers[peer].alive:
            self.workers[peer] = self.start(peer, threads)
        return self.workers[peer]

    def turn(self, contender, shape, weights, threads):
        """The two halves of a contender's turn, as functions of a setting."""
        arguments = self.arguments(contender, shape, weights)

        def prepare(setting):
            self.settle()
            self.worker(contender.family, threads).call("prepare", setting=setting, **arguments)

        def sample(setting):
            return self.worker(contender.family, threads).call("sample", setting=setting, **arguments)

        return prepare, sample

    def measure(self, peers):
        of_model = [shape for shape in self.chosen.shapes if shape.of_model]
        rest = [shape for shape in self.chosen.shapes if not shape.of_model]
        for threads in self.chosen.threads:
            if rest:
                self.measure_shapes(rest, "", threads, [peer for peer in peers if peer == "torch"])
            for weights in self.files if of_model else ():
                self.measure_shapes(of_model, weights, threads, peers)

    def measure_shapes(self, shapes, weights, threads, peers):
        """Shapes of one type of weights ("" where no model runs), with workers of their own: those keep what they loaded."""
        self.workers = {}
        for peer in peers:
            if peer in self.absent:
                continue
            try:
                self.workers[peer] = self.start(peer, threads)
            except PeerError as e:
                self.leave_out(peer, e)
        taking_part = who.contenders(list(self.workers), self.chosen.cache_types)
        if weights and threads == self.chosen.threads[0]:
            self.check([c for c in taking_part if c.takes_part(shapes_of.PROBE, weights)], weights)
        screened = {}
        for shape in shapes:
            try:
                self.measure_shape(shape, weights, threads, taking_part, screened)
            except PeerError as e:
                self.missing(f"{shape.name}, {threads} threads", e)
        for worker in self.workers.values():
            worker.close()

    def measure_shape(self, shape, weights, threads, taking_part, screened):
        row = {
            "shape": shape.name,
            "text": shape.text,
            "kind": shape.kind,
            "heads": shape.heads,
            "tokens": shape.tokens,
            "weights": weights,
            "threads": threads,
        }
        say(report.words(row))
        row.update(entries={}, settings={})
        for peer, reason in self.absent.items():
            for contender in who.contenders([peer], self.chosen.cache_types):
                if contender.takes_part(shape, weights):
                    row["entries"][contender.name] = {"reason": reason}
        turns, labels = [], {}
        for contender in (c for c in taking_part if c.takes_part(shape, weights)):
            prepare, sample = self.turn(contender, shape, weights, threads)
            settings = self.settings(contender, shape, row, screened)
            say(f" {contender.name}, settings: {len(settings)}")
            times, failures = measure.screen(settings, prepare, sample, say)
            row["settings"][contender.name] = {**times, **failures}
            if not times:
                reasons = sorted(set(failures.values()))
                row["entries"][contender.name] = {"reason": reasons[0] if reasons else "no setting to try"}
                continue
            if shape.kind == "generate":
                screened[contender.name][shape.tokens] = times
            best = min(times, key=times.get)
            setting = dict(settings)[best]
            labels[contender.name] = best
            turns.append(
                (contender.name, lambda p=prepare, s=setting: p(s), lambda f=sample, s=setting: f(s))
            )
        own = {}
        for backend in reversed(self.chosen.backends if shape.of_model else self.chosen.backends[:1]):
            turns.insert(0, self.own_turn(backend, row, labels, own))
        say(f" {len(turns)} in turn")
        summaries, failures = measure.interleave(turns, self.chosen.repetitions, say)
        for name, _, _ in turns:
            entry = summaries.get(name) or {"reason": failures.get(name, "not measured")}
            row["entries"][name] = {"setting": labels.get(name, ""), **entry}
            if name in own:
                row["entries"][name]["limit"] = mla4j.limit_of(own[name], shape)
        row["mla4j"] = own
        self.result["rows"].append(row)

    def settings(self, contender, shape, row, screened):
        """The (label, setting) pairs of a contender that are worth a try."""
        settings = [(who.label(s), s) for s in contender.settings(shape, row["weights"])]
        times = screened.setdefault(contender.name, {})
        proven = self.chosen.known.get(row_key(row), {}).get(contender.name)
        if proven:
            return measure.proven(settings, proven)
        if shape.kind == "generate" and not self.chosen.all_settings:
            return measure.promising(settings, times, shape.tokens)
        return settings

    def own_turn(self, backend, row, labels, own):
        """A backend's (name, prepare, sample); its first turn chooses among the cache types."""
        name, shape = f"mla4j {backend}", next(s for s in self.chosen.shapes if s.name == row["shape"])
        model = self.files.get(row["weights"])
        types = list(self.chosen.own_cache_types) if shape.of_model else []

        def sample():
            arguments = mla4j.bench_arguments(shape, model, backend, row["threads"], types)
            output = mla4j.run(arguments, row["threads"])
            ns, labels[name], found = mla4j.time_of(json.loads(output), shape)
            types[:] = [found["cacheType"]] if types else []
            own.setdefault(name, []).append(found)
            return ns

        return name, self.settle, sample

    def check(self, taking_part, weights):
        """Compares the logits of everybody who runs the model with mla4j's, so that all time the same computation."""
        file = self.files[weights]
        try:
            expected = mla4j.logits(file, CHECKED_IDS, environment.FOLDER / "logits.safetensors")
        except PeerError as e:
            self.missing(f"agreement of the logits, weights {weights}", e)
            return
        for contender in taking_part:
            worker = self.workers[contender.family]
            model = str(file if contender.family in ("llama", "ik") else self.model)
            setting = contender.settings(shapes_of.PROBE, weights)[0]
            try:
                found = worker.call("logits", setting=setting, model=model, ids=CHECKED_IDS)
                self.result["agreement"][f"{contender.name}, {weights}"] = agreement(expected, found)
            except PeerError as e:
                self.missing(f"{contender.name}, logits, weights {weights}", e)


def agreement(expected, found):
    largest = max(abs(v) for v in expected)
    return {
        "difference": max(abs(a - b) for a, b in zip(expected, found, strict=True)) / largest,
        "sameToken": expected.index(max(expected)) == found.index(max(found)),
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def write(text, file):
    if file == "-":
        print(text)
    elif file:
        Path(file).write_text(text)


def main():
    chosen = options(sys.argv[1:])
    run = Run(chosen)
    status = 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.measure(run.prepare())
    except PeerError as e:
        say(str(e))
        status = 1
    except KeyboardInterrupt:
        say("interrupted; this is what has been measured")
        status = 130
    if chosen.json != "-" and chosen.markdown != "-":
        print(report.table(run.result))
    write(json.dumps(run.result, indent=1), chosen.json)
    write(report.markdown(run.result), chosen.markdown)
    if chosen.plot:
        try:
            mla4j.plot(chosen.json, chosen.plot)
        except PeerError as e:
            say(str(e))
            status = status or 1
    failures = report.own_failures(run.result)
    for failure in failures:
        say(f"mla4j itself was not measured: {failure}")
    return status or int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
