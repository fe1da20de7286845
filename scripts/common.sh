# Finding a JDK, Maven and a CUDA Toolkit; sourced by the other scripts, which set `root` and `name` first. Works with bash 3.2 (macOS).

LEAST_JDK=25

say() { echo "$name: $*" >&2; }
fail() {
  say "$@"
  exit 1
}

# What starts mla4j sets variables instead of printing: each $(..) is a process, and twenty of them take as long as the JVM.

# Sets `found` to the file that a command's name stands for, or to nothing.
find_command() {
  local folder= folders=() IFS=:
  found=
  set -f
  # shellcheck disable=SC2206 # split at colons; a here-string may need a temporary file
  folders=($PATH)
  set +f
  for folder in "${folders[@]}"; do
    if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then
      found=$folder/$1
      return
    fi
  done
}

# Sets `version` to the feature version of the JDK or runtime in a folder, or to 0. Reads its release file: starting each JVM would take seconds.
read_jdk_version() {
  local line= number=
  if [ -x "$1/bin/java" ] && [ -r "$1/release" ]; then
    while read -r line; do
      case $line in
        JAVA_VERSION=*)
          number=${line#*\"}
          number=${number%%[!0-9]*}
          ;;
      esac
    done <"$1/release"
  fi
  version=${number:-0}
}

# Sets `jdk` to the folder of the first JDK that is new enough: JAVA_HOME, the PATH's, then the usual places. `find_jdk or_runtime` takes what
# has no compiler where there is no JDK.
find_jdk() {
  local candidate= java= found= version= runtime=
  find_command java
  java=$found
  if [ -n "$java" ]; then
    java=$(readlink -f "$java" 2>/dev/null || echo "$java")
  fi
  for candidate in "${JAVA_HOME:-}" "${java%/bin/java}" /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/*jdk* /usr/local/*jdk* \
    "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/* "${HOME:-}"/.gradle/jdks/* "${HOME:-}"/.asdf/installs/java/* \
    "${HOME:-}"/.local/share/mise/installs/java/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "${HOME:-}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    [ -n "$candidate" ] || continue
    read_jdk_version "$candidate"
    if [ "$version" -ge $LEAST_JDK ]; then
      jdk=$candidate
      [ ! -x "$jdk/bin/javac" ] || return 0
      runtime=${runtime:-$jdk}
    fi
  done
  if [ -x /usr/libexec/java_home ]; then
    candidate=$(/usr/libexec/java_home -v "$LEAST_JDK+" 2>/dev/null || true)
    read_jdk_version "$candidate"
    if [ "$version" -ge $LEAST_JDK ]; then
      jdk=$candidate
      return
    fi
  fi
  jdk=$runtime
  [ -z "$jdk" ] || [ "${1:-}" != or_runtime ] || return 0
  fail "no JDK $LEAST_JDK or newer was found (JAVA_HOME, the PATH, /usr/lib/jvm, ~/.sdkman, ~/.jdks, ...); get one from" \
    "https://adoptium.net or set JAVA_HOME"
}

# Serves the carried model, with what it says in the folder `work`; sets `server` to its process and `url` to its page. Builds it before.
start_server() {
  local try=
  "$root/scripts/mla4j" info >/dev/null || fail "mla4j cannot be built"
  "$root/scripts/mla4j" serve --port 0 --context 2048 >"$work/out" 2>"$work/err" &
  server=$!
  for try in {1..600}; do
    if grep -qs backend "$work/err"; then
      url=$(head -n 1 "$work/out")
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/err" >&2
  fail "the server did not start"
}

# Runs Maven at the root: the PATH's where it is 3.8 or newer, else the wrapper's. JAVA25_HOME shows the JDK to its search for toolchains;
# Maven itself runs on the user's Java where that is 17 or newer.
run_maven() {
  local jdk=$1 maven=$root/mvnw version= own=
  shift
  own=${JAVA_HOME:-$(readlink -f "$(command -v java 2>/dev/null)" 2>/dev/null | sed 's,/bin/java$,,' || true)}
  read_jdk_version "$own"
  if [ "$version" -lt 17 ]; then
    own=$jdk
  fi
  version=$(JAVA_HOME=$own mvn -v 2>/dev/null </dev/null | sed -n 's/.*Apache Maven \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' || true)
  case $version in
    3\ [89] | 3\ [1-9][0-9] | [4-9]\ *) maven=mvn ;;
  esac
  (cd "$root" && JAVA_HOME=$own JAVA25_HOME=$jdk "$maven" -B "$@" </dev/null)
}

LEAST_CUDA=13

# Sets `nvcc` to the compiler of a CUDA Toolkit that is new enough, or to nothing and `no_cuda` to the reason. CUDACXX is strict; else the PATH,
# the usual places, and what scripts/check-cuda fetched.
find_cuda() {
  local candidate= release=
  nvcc= no_cuda="no CUDA Toolkit $LEAST_CUDA or newer was found"
  set -- "$(command -v nvcc 2>/dev/null || true)" /usr/local/cuda/bin/nvcc /usr/local/cuda-*/bin/nvcc /opt/cuda/bin/nvcc "$(fetched_nvcc)"
  if [ -n "${CUDACXX:-}" ]; then
    no_cuda="CUDACXX names $CUDACXX, which is no nvcc"
    set -- "$(command -v "$CUDACXX" 2>/dev/null || true)"
  fi
  for candidate; do
    release=$("$candidate" --version 2>/dev/null | sed -n 's/.*release \([0-9]*\.[0-9]*\).*/\1/p' || true)
    if [ -n "$release" ] && [ "${release%.*}" -ge $LEAST_CUDA ]; then
      nvcc=$candidate no_cuda=
      return
    fi
    [ -z "$release" ] || no_cuda="the CUDA Toolkit is too old: $candidate is $release, and $LEAST_CUDA is needed"
  done
}

# Sets `places` to what find_cuda looks at, without starting any of it: another answer is a reason to build again.
find_cuda_places() {
  local found=
  find_command nvcc
  places=("${CUDACXX:-}" "$found" /usr/local/cuda/bin/nvcc* /usr/local/cuda-*/bin/nvcc /opt/cuda/bin/nvcc*
    "$root"/build/cuda-venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc*)
}

# Fetches nvcc from PyPI (300 MB) where find_cuda finds none.
fetch_cuda() {
  local venv=$root/build/cuda-venv version='13.0.*'
  local packages=(nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-runtime nvidia-cuda-cccl)
  find_cuda
  if [ -n "${CUDACXX:-}" ] && [ -z "$nvcc" ]; then
    fail "$no_cuda"
  fi
  [ -z "$nvcc" ] || return 0
  say "$no_cuda: fetching nvcc $version from PyPI into build/cuda-venv"
  python3 -m venv "$venv" || fail "nvcc is fetched as a Python package and needs python3 with venv"
  "$venv/bin/pip" -q --disable-pip-version-check install "${packages[@]/%/==$version}"
  nvcc=$(fetched_nvcc)
  [ -n "$nvcc" ] || fail "the packages of PyPI brought no nvcc"
  # CMake looks for lib64.
  ln -sfn lib "$(dirname "$nvcc")/../lib64"
}

fetched_nvcc() { compgen -G "$root/build/cuda-venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc" || true; }

# Builds libmla4j_cuda.so with `nvcc` in build/cuda and sets `cuda_library`; what the tools print is in `cuda_log`. Fails where it does not compile.
build_cuda() {
  local build=$root/build/cuda generator="Unix Makefiles" choice=
  cuda_library=$build/native/src/cuda/libmla4j_cuda.so
  cuda_log=$root/build/cuda.log
  ! command -v ninja >/dev/null || generator=Ninja
  choice="$generator $nvcc $root"
  [ "$(cat "$build/choice.txt" 2>/dev/null || true)" = "$choice" ] || rm -rf "$build"
  mkdir -p "$build"
  echo "$choice" >"$build/choice.txt"
  { cmake -S "$root" -B "$build" -G "$generator" -DMLA_BUILD_TESTS=OFF -DMLA_BUILD_CUDA=ON -DCMAKE_CUDA_COMPILER="$nvcc" &&
    cmake --build "$build" --target mla4j_cuda --parallel "${MLA_CUDA_JOBS:-$(nproc)}"; } >"$cuda_log" 2>&1
}
