#!/usr/bin/env bash
# ziglang 0.15.2 as a cross compiler of C++ (zig c++, x86_64-linux-gnu.2.17): a program that calls logf takes it from the system's libm, until
# anything in it needs the compiler's own runtime, such as a division of __int128, or of long double on AArch64. From then on the runtime's
# own logf is linked in, hidden, and libm's is not asked any more; so are expf and others.
#
# One would expect a support routine for wide integers to leave mathematics alone: the same call of the same program has another last bit
# once an unrelated line divides. ln 7 is 1.94591014906 and lies between the floats 0x1.f2272ap+0, the nearest, and 0x1.f2272cp+0.
#
# Output seen: the lines at the end. Fails if that changes. Takes a machine with x86-64 and glibc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ziglang==0.15.2
cat >"$folder/program.cpp" <<'PROGRAM'
#include <cmath>
#include <cstdio>

int main(int count, char**) {
  volatile float seven = 6 + count;
#ifdef DIVIDES
  volatile long three = 2 + count;
  if (((__int128)three << 70) / three == 0) return 1;
#endif
  std::printf("%a\n", logf(seven));
}
PROGRAM
for option in -DDIVIDES=1 -UDIVIDES; do
  "$folder/venv/bin/python" -m ziglang c++ --target=x86_64-linux-gnu.2.17 -O1 "$option" "$folder/program.cpp" -o "$folder/program"
  echo "$option $("$folder/program")"
done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
-DDIVIDES=1 0x1.f2272cp+0
-UDIVIDES 0x1.f2272ap+0
SEEN
