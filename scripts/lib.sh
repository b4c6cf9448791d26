# Sourced by the scripts beside it (bash). Messages, results, and running things with a time limit.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Colour only for a person: a terminal that can do it, and nobody said no.
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
die() { printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2; exit 1; }

# As many compilers at once as there are cores and memory for (a big translation unit takes about
# 1 GB under a sanitizer).
job_count() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1200000)}' /proc/meminfo)
  (( memory < cores )) && cores=$memory
  (( cores < 1 )) && cores=1
  echo "$cores"
}

# Results. A check says `ok NAME` or `not_ok NAME`; the lines go to the descriptor 3 if `check` has
# opened it, else to stdout. finish_results ends a script that made some.
results_failed=0
result() { if [[ -e /proc/self/fd/3 && -n ${MX_RMQ_RESULTS:-} ]]; then say "$*" >&3; else say "$*"; fi; }
ok() { result "ok $*"; }
not_ok() { result "not ok $*"; results_failed=1; }
# try NAME COMMAND...: one result, by the command's exit code; `check` is told how long it took, too.
try() {
  local name=$1 began=$SECONDS status=0
  shift
  say "--- $name: $*"
  "$@" || status=1
  if [[ -n ${MX_RMQ_RESULTS:-} ]]; then result "took $(( SECONDS - began )) $name"; fi
  if (( status == 0 )); then ok "$name"; else not_ok "$name"; fi
  return "$status"
}
finish_results() { exit "$results_failed"; }
