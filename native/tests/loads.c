/* Loads a library and computes with its automatic choice: prints that instruction set and why. For processors and C libraries that are
 * emulated (scripts/cross-build --test dispatch), where the tests themselves take hours. */
#include <dlfcn.h>
#include <stdio.h>

#include "mla/mla.h"

int main(int count, char** arguments) {
  void* library = dlopen(count > 1 ? arguments[1] : "", RTLD_NOW);
  if (!library) {
    printf("%s\n", dlerror());
    return 1;
  }
  mla_get_kernels_fn get_kernels = (mla_get_kernels_fn)dlsym(library, "mla_get_kernels");
  const mla_kernels* k = get_kernels(MLA_ABI_VERSION, MLA_ISA_AUTO);
  char reason[400], error[200] = "";
  k->describe(MLA_DESCRIBE_REASON, reason, sizeof reason);
  const float x[] = {1, 2, 3}, r[] = {4, 5, 6};
  float y[3] = {0};
  const int32_t status = k->add(x, 3, r, 3, 2.f, 1, 3, y, 3, error, sizeof error);
  printf("%s\n", reason);
  if (status != MLA_OK || y[0] != 9 || y[1] != 12 || y[2] != 15) {
    printf("status %d %s: %g %g %g\n", (int)status, error, y[0], y[1], y[2]);
    return 1;
  }
  return k->add(x, 3, r, 3, 2.f, -1, 3, y, 3, error, sizeof error) == MLA_INVALID_ARGUMENT && error[0] ? 0
                                                                                                       : 1;
}
