# The providers' official clients for Python, with which the tests ask the server, in .tools/python. Nothing of
# promptfleet itself needs them: a machine without Python, or too old a one, skips those tests. Sourced after common.sh.

python_sdks="openai==3.57.0 anthropic==2.13.0 mcp==2.3.0"

python_good() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

ensure_python_sdks() {
  local installed="$tools/python/installed"
  [ "$(cat "$installed" 2>/dev/null || true)" != "$python_sdks" ] || return 0
  if ! find_pip || ! python_good "$pip"; then
    say "There is no Python 3.10 with pip here: the tests with the providers' clients for Python will be skipped."
    return 0
  fi
  step "Installing the providers' clients for Python into .tools/python (up to a minute, about 110 MB)"
  make_workspace
  if ! logged "$pip" -m pip install --disable-pip-version-check --no-input --target "$workspace/python" $python_sdks; then
    say "    pip could not install them (its last lines are above): their tests will be skipped."
    return 0
  fi
  echo "$python_sdks" >"$workspace/python/installed"
  rm -rf "$tools/python"
  mv "$workspace/python" "$tools/python"
}
