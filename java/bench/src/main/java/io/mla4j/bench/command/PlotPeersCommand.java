package io.mla4j.bench.command;

import io.mla4j.bench.PeerPlots;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Path;

/** {@code mla4j bench plot-peers}: pictures of a run of scripts/bench-peers. */
final class PlotPeersCommand extends StreamCommand {
  Path json;
  Path out;

  @Override
  public void declare(Args args) {
    args.description(
        "Draw what scripts/bench-peers wrote with --json: tokens per second of every engine by type"
            + " of weights, one SVG and one PNG file for each prompt and context.");
    args.positional(0, "PEERS.json", Path.class, v -> json = v, "The run.");
    args.required("--out DIR", Path.class, v -> out = v, "The folder of the pictures.");
  }

  @Override
  public void execute() {
    PeerPlots.write(json, out).forEach(out()::println);
  }
}
