#!/usr/bin/env bash
# DJL tokenizers 0.38.0 (ai.djl.huggingface:tokenizers, Java 17 or newer): HuggingFaceTokenizer.newInstance(path) cuts every text at 512 ids,
# although tokenizer.json has "truncation": null and no tokenizer_config.json asks for a limit. Nothing is thrown. The Python library reads
# the same file without a limit.
#
# One would expect the file's own setting. A prompt loses everything after its 512th token, and the answer is about another question.
# The builder's optTruncation(false) keeps the text.
#
# Output seen: "newInstance: 512 of 2000 ids" and "optTruncation(false): 2000 of 2000 ids". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/pom.xml" <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>findings</groupId>
  <artifactId>djl-tokenizers</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>ai.djl.huggingface</groupId>
      <artifactId>tokenizers</artifactId>
      <version>0.38.0</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -B -q -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/jars"
cat >"$folder/tokenizer.json" <<'JSON'
{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
 "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
 "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"}}
JSON
cat >"$folder/Cut.java" <<'JAVA'
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.nio.file.Path;

public class Cut {
  public static void main(String[] args) throws Exception {
    Path file = Path.of(args[0]);
    String text = "a ".repeat(2000);
    try (HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.newInstance(file)) {
      System.out.println("newInstance: " + tokenizer.encode(text).getIds().length + " of 2000 ids");
    }
    try (HuggingFaceTokenizer tokenizer =
        HuggingFaceTokenizer.builder().optTokenizerPath(file).optTruncation(false).build()) {
      System.out.println("optTruncation(false): " + tokenizer.encode(text).getIds().length + " of 2000 ids");
    }
  }
}
JAVA
OPT_OUT_TRACKING=true DJL_CACHE_DIR="$folder/cache" java -cp "$folder/jars/*" "$folder/Cut.java" "$folder/tokenizer.json" \
  2>"$folder/log" >"$folder/seen" || { cat "$folder/log"; exit 1; }
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
newInstance: 512 of 2000 ids
optTruncation(false): 2000 of 2000 ids
SEEN
