# Finding a JDK and Maven; sourced by the other scripts, which set `root` and `name` first. Works with bash 3.2 (macOS).

LEAST_JDK=25

say() { echo "$name: $*" >&2; }
fail() {
  say "$@"
  exit 1
}

# The feature version of the JDK in a folder, or 0. Reads its release file: starting each JVM would take seconds.
jdk_version() {
  local line= number=
  if [ -x "$1/bin/javac" ] && [ -r "$1/release" ]; then
    while read -r line; do
      case $line in
        JAVA_VERSION=*)
          number=${line#*\"}
          number=${number%%[!0-9]*}
          ;;
      esac
    done <"$1/release"
  fi
  echo "${number:-0}"
}

# Prints the folder of the first JDK that is new enough: JAVA_HOME, the PATH's, then the usual places.
find_jdk() {
  local candidate= java=
  java=$(command -v java 2>/dev/null || true)
  if [ -n "$java" ]; then
    java=$(readlink -f "$java" 2>/dev/null || echo "$java")
  fi
  for candidate in "${JAVA_HOME:-}" "${java%/bin/java}" /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/*jdk* /usr/local/*jdk* \
    "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/* "${HOME:-}"/.gradle/jdks/* "${HOME:-}"/.asdf/installs/java/* \
    "${HOME:-}"/.local/share/mise/installs/java/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "${HOME:-}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    if [ -n "$candidate" ] && [ "$(jdk_version "$candidate")" -ge $LEAST_JDK ]; then
      echo "$candidate"
      return
    fi
  done
  if [ -x /usr/libexec/java_home ]; then
    candidate=$(/usr/libexec/java_home -v "$LEAST_JDK+" 2>/dev/null || true)
    if [ "$(jdk_version "$candidate")" -ge $LEAST_JDK ]; then
      echo "$candidate"
      return
    fi
  fi
  fail "no JDK $LEAST_JDK or newer was found (JAVA_HOME, the PATH, /usr/lib/jvm, ~/.sdkman, ~/.jdks, ...); get one from" \
    "https://adoptium.net or set JAVA_HOME"
}

# Runs Maven at the root: the PATH's where it is 3.8 or newer, else the wrapper's. JAVA25_HOME shows the JDK to its search for toolchains;
# Maven itself runs on the user's Java where that is 17 or newer.
run_maven() {
  local jdk=$1 maven=$root/mvnw version= own=
  shift
  own=${JAVA_HOME:-$(readlink -f "$(command -v java 2>/dev/null)" 2>/dev/null | sed 's,/bin/java$,,' || true)}
  if [ "$(jdk_version "$own")" -lt 17 ]; then
    own=$jdk
  fi
  version=$(JAVA_HOME=$own mvn -v 2>/dev/null </dev/null | sed -n 's/.*Apache Maven \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' || true)
  case $version in
    3\ [89] | 3\ [1-9][0-9] | [4-9]\ *) maven=mvn ;;
  esac
  (cd "$root" && JAVA_HOME=$own JAVA25_HOME=$jdk "$maven" -B "$@" </dev/null)
}
