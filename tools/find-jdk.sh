# Sourced by ./halcyon and .ci/run. find_jdk VERSION sets jdk_home to the first JDK of at least VERSION among
#   HALCYON_JAVA_HOME, JAVA_HOME, the java on PATH, /usr/lib/jvm/*, SDKMAN's candidates, macOS's java_home
# and returns 1 if there is none; jdk_seen then lists what was looked at, one "place: finding" a line. An
# HALCYON_JAVA_HOME that does not fit is an error, not a reason to look elsewhere.

# Feature release of the JDK in $1 (25 for 25.0.3, 8 for 1.8.0), from its release file: starting a JVM to ask costs more
# than the whole launcher.
jdk_feature() {
  jdk_version=
  if [ -r "$1/release" ]; then
    jdk_version=$(sed -n 's/^JAVA_VERSION="\([^"]*\)".*/\1/p' "$1/release")
  fi
  if [ -z "$jdk_version" ]; then
    jdk_version=$("$1/bin/java" -version 2>&1 </dev/null | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1) || :
  fi
  printf '%s\n' "$jdk_version" | sed -e 's/^1\.//' -e 's/[^0-9].*//'
}

# Takes the JDK in $2, found at $1, if it is new enough.
jdk_try() {
  [ -x "$2/bin/java" ] || {
    case $1 in
      *JAVA_HOME) jdk_seen="$jdk_seen  $1=$2: no bin/java in it
" ;;
    esac
    return 1
  }
  jdk_found=$(jdk_feature "$2")
  if [ "${jdk_found:-0}" -ge "$jdk_wanted" ]; then
    jdk_home=$2
    return 0
  fi
  jdk_seen="$jdk_seen  $1=$2: Java ${jdk_found:-of unknown version}
"
  return 1
}

# The folder above the bin that the file $1 really lies in.
jdk_home_of() {
  jdk_link=$1
  while [ -L "$jdk_link" ]; do
    jdk_target=$(readlink "$jdk_link")
    case $jdk_target in
      /*) jdk_link=$jdk_target ;;
      *) jdk_link=$(dirname "$jdk_link")/$jdk_target ;;
    esac
  done
  (cd "$(dirname "$jdk_link")/.." 2>/dev/null && pwd -P) || :
}

find_jdk() {
  jdk_wanted=$1
  jdk_home=
  jdk_seen=
  if [ -n "${HALCYON_JAVA_HOME:-}" ]; then
    jdk_try HALCYON_JAVA_HOME "$HALCYON_JAVA_HOME"
    return
  fi
  if [ -n "${JAVA_HOME:-}" ] && jdk_try JAVA_HOME "$JAVA_HOME"; then
    return 0
  fi
  jdk_java=$(command -v java 2>/dev/null) || jdk_java=
  if [ -n "$jdk_java" ]; then
    jdk_folder=$(jdk_home_of "$jdk_java")
    # /usr/bin/java of macOS is no JDK of its own but asks java_home, as is done below
    if [ -n "$jdk_folder" ] && [ "$jdk_folder" != /usr ] && jdk_try PATH "$jdk_folder"; then
      return 0
    fi
  fi
  for jdk_folder in /usr/lib/jvm/* "${SDKMAN_DIR:-${HOME:-}/.sdkman}"/candidates/java/*; do
    if [ -d "$jdk_folder" ] && jdk_try found "$jdk_folder"; then
      return 0
    fi
  done
  if [ -x /usr/libexec/java_home ]; then
    jdk_folder=$(/usr/libexec/java_home -v "$jdk_wanted+" 2>/dev/null) || jdk_folder=
    if [ -n "$jdk_folder" ] && jdk_try java_home "$jdk_folder"; then
      return 0
    fi
  fi
  return 1
}
