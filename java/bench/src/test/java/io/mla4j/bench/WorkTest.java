package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import org.junit.jupiter.api.Test;

/** FLOP and bytes of rows against numbers computed by hand. */
class WorkTest {
  private static AttentionSpec spec(
      AttentionGrid.Phase phase, Kind kind, int heads, int tokens, int batch, int queries) {
    return new AttentionSpec(
        phase,
        kind,
        null,
        null,
        new AttentionSpec.Size(heads, tokens, batch, queries, 64),
        new AttentionSpec.Types(ComputeType.BF16, CacheType.BF16),
        AttentionForm.ABSORBED,
        AttentionGrid.Residency.COLD);
  }

  @Test
  void aQuerySeesItselfAndWhatIsBeforeIt() {
    assertEquals(100, Work.visiblePairs(1, 100));
    assertEquals(99 + 100, Work.visiblePairs(2, 100));
    assertEquals(1 + 2 + 3 + 4, Work.visiblePairs(4, 4));
  }

  @Test
  void decodeOfMlaReadsOneRowForAllHeads() {
    Work work =
        spec(AttentionGrid.Phase.DECODE, Kind.MLA, 128, 1024, 1, 1).work(AttentionForm.ABSORBED);
    // 2176 FLOP for a head and token: 2 x (512 + 512 + 64).
    assertEquals(128L * 1024 * 2176, work.flop());
    // 1152 bytes a token: 2 x (512 + 64).
    assertEquals(1024 * 1152, work.bytes());
    assertEquals(1024 * 1152, work.cacheBytes());
  }

  @Test
  void sequencesAndNewTokensCount() {
    Work work =
        spec(AttentionGrid.Phase.DECODE, Kind.MLA, 16, 100, 3, 2).work(AttentionForm.ABSORBED);
    assertEquals(3L * 16 * (99 + 100) * 2176, work.flop());
    assertEquals(3 * 100 * 1152, work.bytes());
  }

  @Test
  void headsWithKeysOfTheirOwnReadThem() {
    // 512 FLOP for a head and token: 2 x (128 + 128); 512 bytes for a cached head and token.
    Work mha =
        spec(AttentionGrid.Phase.DECODE, Kind.MHA, 16, 1000, 1, 1).work(AttentionForm.ABSORBED);
    assertEquals(16 * 1000 * 512, mha.flop());
    assertEquals(16 * 1000 * 512, mha.bytes());
    Work gqa =
        spec(AttentionGrid.Phase.DECODE, Kind.GQA, 16, 1000, 1, 1).work(AttentionForm.ABSORBED);
    assertEquals(mha.flop(), gqa.flop());
    assertEquals(8 * 1000 * 512, gqa.bytes());
    Work mqa =
        spec(AttentionGrid.Phase.DECODE, Kind.MQA, 16, 1000, 1, 1).work(AttentionForm.ABSORBED);
    assertEquals(mha.flop(), mqa.flop());
    assertEquals(1000 * 512, mqa.bytes());
  }

  @Test
  void rebuildingIsCountedOnce() {
    AttentionSpec spec = spec(AttentionGrid.Phase.PREFILL, Kind.MLA, 16, 2048, 1, 2048);
    Work work = spec.work(AttentionForm.DECOMPRESSED);
    long pairs = 2048L * 2049 / 2;
    // 640 FLOP for a head and pair: 2 x (128 + 64 + 128); 262,144 for a head and token.
    assertEquals(16 * pairs * 640 + 16L * 2048 * 262_144, work.flop());
    // kv_b_proj: 16 heads x 256 rows x 512 numbers of two bytes.
    assertEquals(2048 * 1152 + 16 * 256 * 512 * 2, work.bytes());
  }

  @Test
  void absorbingTheQueriesCounts() {
    AttentionSpec spec = spec(AttentionGrid.Phase.PREFILL, Kind.MLA, 16, 64, 1, 64);
    Work work = spec.work(AttentionForm.ABSORBED);
    assertEquals(16 * (64L * 65 / 2) * 2176 + 64L * 16 * 262_144, work.flop());
  }
}
