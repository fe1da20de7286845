# Checks of the command as a user meets it; sourced by the scripts that print `ok`, `not ok` or `skip` lines, which set `work`, a folder of their own.

failed=0

# check NAME COMMAND...: the command's status decides; $work/out and $work/err are shown where it fails.
check() {
  local what=$1
  shift
  if "$@"; then
    echo "ok $what"
  else
    echo "not ok $what"
    tail -n 40 "$work/out" "$work/err" 2>/dev/null | sed 's/^/  /'
    failed=1
  fi
}
run() { "$@" >"$work/out" 2>"$work/err" </dev/null; }
# has out|err TEXT
has() { grep -qF -- "$2" "$work/$1"; }
# lines out|err TEXT N: so many lines have it
lines() { [ "$(grep -cF -- "$2" "$work/$1")" = "$3" ]; }
# Nothing of the JVM on stderr.
quiet() { ! grep -qE 'WARNING|Exception|^\[' "$work/err"; }
