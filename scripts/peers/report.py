"""The report of a run as a table, as Markdown and as JSON. Ratios are another's time over mla4j's: above 1, mla4j is ahead."""


def time_text(ns):
    """A time with three digits and its unit."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns / size < 1000 else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def speed_text(row, ns):
    """Tokens per second, where a row counts tokens."""
    if row["kind"] == "prompt":
        return f"{row['tokens'] / ns * 1e9:.0f} t/s"
    return f"{1e9 / ns:.1f} t/s" if row["kind"] == "generate" else ""


def limit_text(entry):
    """How near mla4j came to the machine's limit; of others that is not known."""
    limit = entry.get("limit")
    return f"{100 * limit['share']:.0f} % of {limit['value']:.0f} {limit['unit']}" if limit else ""


def ratio(entry, own):
    """The time of an entry over the time of one of mla4j's, or None where one of them is missing."""
    return entry["medianNs"] / own["medianNs"] if own and entry and "medianNs" in entry else None


def lines(result):
    """(shape, weights, threads, who, setting, time, spread, speed, limit, ratios...) of every entry of every row, as texts."""
    backends = result["backends"]
    out = []
    for row in result["rows"]:
        own = {backend: row["entries"].get(f"mla4j {backend}") for backend in backends}
        for name, entry in row["entries"].items():
            start = [row["text"], row["weights"], str(row["threads"]), name, entry.get("setting", "")]
            if "medianNs" not in entry:
                out.append(start + [entry["reason"], "", "", ""] + [""] * len(backends))
                continue
            ratios = [ratio(entry, own[b]) for b in backends]
            out.append(
                start
                + [
                    time_text(entry["medianNs"]),
                    f"{100 * entry['madNs'] / entry['medianNs']:.1f} %",
                    speed_text(row, entry["medianNs"]),
                    limit_text(entry),
                ]
                + ["" if r is None or name == f"mla4j {b}" else f"{r:.2f}" for r, b in zip(ratios, backends)]
            )
    return out


def header(result):
    return ["shape", "weights", "threads", "who", "setting", "median", "MAD", "speed", "limit"] + [
        f"x {backend}" for backend in result["backends"]
    ]


def notes(result):
    """What a reader must know beside the table: versions, features, agreement of the results, and what is missing."""
    out = [
        f"{version}: {result['features'].get(peer, '')}".rstrip(": ")
        for peer, version in result["versions"].items()
    ]
    for name, found in result["agreement"].items():
        same = "the same" if found["sameToken"] else "another"
        out.append(
            f"{name}: logits within {100 * found['difference']:.2g} % of the largest of mla4j's f32, {same} first token"
        )
    out += [f"{peer}: {note}" for peer, note in result["installed"].items()]
    out += [f"{m['what']}: not measured, {m['reason']}" for m in result["missing"]]
    out.append("limit: the peak or the read bandwidth that mla4j measured around its turns, and its share of it")
    out.append("x BACKEND: time of the row over the time of mla4j's backend; above 1, mla4j is faster")
    return out


def words(row):
    """What a row measures, for a sentence."""
    return ", ".join(filter(None, (row["text"], row["weights"], f"{row['threads']} threads")))


def own_failures(result):
    """Rows in which mla4j itself was not measured: a comparison without it has failed."""
    return [
        f"{words(row)}: {entry['reason']}"
        for row in result["rows"]
        for name, entry in row["entries"].items()
        if name.startswith("mla4j ") and "reason" in entry
    ]


def table(result):
    rows = [header(result)] + lines(result)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(text + [""] + notes(result))


def markdown(result):
    head = header(result)
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    text += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines(result)]
    return "\n".join(text + [""] + [f"- {note}" for note in notes(result)]) + "\n"
