"""How shapes are measured: every setting of a contender once, then the best ones and mla4j in turn (A B C A B C)."""

from statistics import median

from process import PeerError

# At larger contexts only the settings with the least predicted time run: filling a cache takes a minute each. A setting that took
# HOPELESS times as long as the best one at a smaller context is not tried again.
SCREENED, KEPT, HOPELESS = 4096, 2, 2


def spread(samples):
    """The median absolute deviation."""
    middle = median(samples)
    return median(abs(s - middle) for s in samples)


def summary(samples):
    return {"medianNs": median(samples), "madNs": spread(samples), "samplesNs": samples}


def promising(settings, times, context):
    """The settings that are worth a try at a context, given those that were measured at smaller ones.

    Above SCREENED these are the KEPT ones with the least time on the line through the two largest contexts. `times` maps a context to
    {label: ns}; settings that failed there are left out.
    """
    known = sorted(c for c in times if c <= SCREENED)[-2:]
    if not known:
        return settings
    first, last = times[known[0]], times[known[-1]]
    limit = HOPELESS * min(last.values())
    alive = [s for s in settings if all(s[0] in times[c] for c in known) and last[s[0]] <= limit]
    if context <= SCREENED:
        return alive

    def predicted(name):
        if len(known) == 1:
            return last[name]
        slope = (last[name] - first[name]) / (known[-1] - known[0])
        return last[name] + slope * (context - known[-1])

    return sorted(alive, key=lambda s: predicted(s[0]))[:KEPT]


def proven(settings, times):
    """The KEPT settings that took the least time in an earlier run's `times` by label; all where it has none of them."""
    known = sorted((s for s in settings if isinstance(times.get(s[0]), float)), key=lambda s: times[s[0]])
    return known[:KEPT] or settings


def screen(settings, prepare, sample, say):
    """(times by label, failures by label) of one sample of every (label, setting)."""
    times, failures = {}, {}
    for name, setting in settings:
        try:
            prepare(setting)
            times[name] = sample(setting)
            say(f"  {name}: {times[name] / 1e6:.3f} ms")
        except PeerError as e:
            failures[name] = str(e)
            say(f"  {name}: {e}")
    return times, failures


def interleave(turns, repetitions, say):
    """Samples of every (name, prepare, sample), taken in turn; one that fails leaves the round with its reason."""
    samples, failures = {name: [] for name, _, _ in turns}, {}
    for round_ in range(repetitions):
        for name, prepare, sample in turns:
            if name in failures:
                continue
            try:
                prepare()
                samples[name].append(sample())
                say(f"  {round_ + 1}/{repetitions} {name}: {samples[name][-1] / 1e6:.3f} ms")
            except PeerError as e:
                failures[name] = str(e)
                say(f"  {round_ + 1}/{repetitions} {name}: {e}")
    return {name: summary(s) for name, s in samples.items() if s and name not in failures}, failures
