// The tensor cores of sm_90 (wgmma): the four warps of a warpgroup multiply 64 x 16 with 16 x N bf16, both in shared memory, into float32
// accumulators of their registers. Warp w has rows 16 w .. 16 w + 15; lane l has of each 8 columns (columns 8 j .. in d[4 j] ..) what mma.sync
// gives it (matrix.h).
//
// In shared memory a matrix is made of columns of 64 bf16: rows of 128 bytes, of which eight are an atom of 1024 bytes, aligned to as many. In
// row r chunk c of 16 bytes lies at place c ^ r % 8 (matrix_place).
//
// A product runs while the threads go on: between its begin and its wait neither the accumulators nor the memory that it reads may be touched.
#pragma once
#include "cuda/common/platform.h"

namespace mla::cuda {

// The bytes from the begin of a column to chunk `chunk` of row `row`.
MLA_BOTH int matrix_place(int row, int chunk) { return row * 128 + (chunk ^ row % 8) * 16; }

#if defined(__CUDACC__)

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
constexpr bool kHasWarpgroups = true;
#else
constexpr bool kHasWarpgroups = false;
#endif

// `from`: where the product begins, in the first row; `stride`: between two columns, where a product goes over several.
MLA_DEVICE uint64_t matrix_descriptor(const uint8_t* from, int stride) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  constexpr uint64_t kAtoms = 1024 >> 4, kExchanged128 = uint64_t{1} << 62;
  return (address & 0x3ffff) >> 4 | static_cast<uint64_t>(stride >> 4) << 16 | kAtoms << 32 | kExchanged128;
}

// What this thread wrote to shared memory, by copies that it waited for too, is there for products behind the next barrier.
MLA_DEVICE void publish_matrices() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }
// The accumulators are ready for products.
MLA_DEVICE void warpgroup_begin() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
// Waits for all products of the warpgroup.
MLA_DEVICE void warpgroup_wait() {
  asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n" ::: "memory");
}
// d += a b^T: a is 64 x 16 and b 32 or 64 x 16, k along their rows; both point to their first element in row 0.
MLA_DEVICE void warpgroup_multiply_rows(float (&d)[16], const uint8_t* a, const uint8_t* b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
      "}, %16, %17, 1, 1, 1, 0, 0;\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15])
      : "l"(matrix_descriptor(a, 16)), "l"(matrix_descriptor(b, 16)));
}
MLA_DEVICE void warpgroup_multiply_rows(float (&d)[32], const uint8_t* a, const uint8_t* b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
      "}, %32, %33, 1, 1, 1, 0, 0;\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]),
        "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
        "+f"(d[30]), "+f"(d[31])
      : "l"(matrix_descriptor(a, 16)), "l"(matrix_descriptor(b, 16)));
}
// d += a b: a as above; b is 16 x 128, k down its rows, in two columns `stride` bytes apart, and points to the atom of its first row.
MLA_DEVICE void warpgroup_multiply_columns(float (&d)[64], const uint8_t* a, const uint8_t* b, int stride) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, %64, %65, 1, 1, 1, 0, 1;\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]),
        "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
        "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),
        "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
        "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]),
        "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]),
        "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
      : "l"(matrix_descriptor(a, 16)), "l"(matrix_descriptor(b, stride)));
}
// The same with a in registers, as mma.sync has it (matrix.h): 16 rows in each warp.
MLA_DEVICE void warpgroup_multiply_columns(float (&d)[64], const uint32_t (&a)[4], const uint8_t* b,
                                           int stride) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]),
        "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
        "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),
        "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
        "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]),
        "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]),
        "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(matrix_descriptor(b, stride)));
}

#else

constexpr bool kHasWarpgroups = true;

inline void publish_matrices() {}
inline void warpgroup_begin() {}
inline void warpgroup_wait(MLA_CALLER) { emulator::warpgroup_wait({file, line}); }
inline void warpgroup_multiply_rows(float (&d)[16], const uint8_t* a, const uint8_t* b, MLA_CALLER) {
  emulator::warpgroup_multiply(d, 32, a, b, 0, {file, line});
}
inline void warpgroup_multiply_rows(float (&d)[32], const uint8_t* a, const uint8_t* b, MLA_CALLER) {
  emulator::warpgroup_multiply(d, 64, a, b, 0, {file, line});
}
inline void warpgroup_multiply_columns(float (&d)[64], const uint32_t (&a)[4], const uint8_t* b, int stride,
                                       MLA_CALLER) {
  emulator::warpgroup_multiply(d, 128, a, b, stride, {file, line});
}
inline void warpgroup_multiply_columns(float (&d)[64], const uint8_t* a, const uint8_t* b, int stride,
                                       MLA_CALLER) {
  emulator::warpgroup_multiply(d, 128, a, b, stride, {file, line});
}

#endif

}  // namespace mla::cuda
