"""Sums a report of PIT by package: mutation_scores.py [--survivors] MUTATIONS.XML... A change is found where a test fails or runs into its
time limit; one that no test comes by counts as not found."""

import collections
import sys
import xml.etree.ElementTree

FOUND = {"KILLED", "TIMED_OUT", "MEMORY_ERROR", "RUN_ERROR"}


def main():
    survivors = "--survivors" in sys.argv[1:]
    counts = collections.defaultdict(collections.Counter)
    left = []
    for file in sys.argv[1:]:
        if file == "--survivors":
            continue
        for mutation in xml.etree.ElementTree.parse(file).getroot():
            status = mutation.get("status")
            if status == "NON_VIABLE":
                continue
            of = mutation.findtext("mutatedClass")
            package = of.rsplit(".", 1)[0]
            for row in (package, "all"):
                counts[row]["all"] += 1
                counts[row]["found"] += status in FOUND
                counts[row]["uncovered"] += status == "NO_COVERAGE"
            if status not in FOUND:
                left.append((of, int(mutation.findtext("lineNumber")), status.lower(), mutation.findtext("description")))
    print("| package | changes | found | not found | no test comes by | found, of those that one comes by |\n|---|---|---|---|---|---|")
    for row in sorted(counts, key=lambda name: (name == "all", name)):
        c = counts[row]
        covered = c["all"] - c["uncovered"]
        print(f"| `{row}` | {c['all']} | {c['found']} ({100 * c['found'] / c['all']:.0f} %) | {covered - c['found']} | {c['uncovered']} | "
              f"{100 * c['found'] / max(1, covered):.0f} % |")
    if survivors:
        for of, line, status, description in sorted(left):
            print(f"{of}:{line} {status} {description}")


main()
