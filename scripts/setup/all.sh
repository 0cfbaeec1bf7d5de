# What quickstart and test need, in this order. Sourced by both with their own arguments; sets `root`.
# --yes (or CI=true): never ask; use sudo only if it asks for no password.

set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
case "${CI:-}" in "" | 0 | false) assume_yes=no ;; *) assume_yes=yes ;; esac
for piece in common packages node redis model engine python-sdks chromium dist; do source "$root/scripts/setup/$piece.sh"; done

# set_up [without-engine]: with this word, which is for tests, a machine for which there is no engine is no failure, and
# what only tests need is set up, too.
set_up() {
  lock_setup
  ensure_dependencies
  ensure_redis
  if [ "${1:-}" = without-engine ] && ! engine_package >/dev/null; then
    say "There is no engine for the embedded model on this machine: its tests will be skipped."
  else
    ensure_model
    ensure_engine
  fi
  if [ "${1:-}" = without-engine ]; then
    ensure_python_sdks
    ensure_chromium
  fi
  ensure_dist
  clean_up
  PATH="$(dirname "$node"):$PATH"
  [ ! -x "$tools/bin/redis-server" ] || PATH="$tools/bin:$PATH"
  export PATH
}
