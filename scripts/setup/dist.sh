# dist/: when it is stale, and how it is made. Sourced after common.sh and node.sh.

# True when dist/ was built after the last change of any source. Folders count too: a removed file changes its folder.
dist_fresh() {
  local newer
  [ -f "$root/dist/.built" ] || return 1
  newer="$(cd "$root" && find src workers tsconfig.json tsconfig.build.json package-lock.json scripts/setup/bundle.ts -newer dist/.built | head -n 1)"
  [ -z "$newer" ]
}

ensure_dist() {
  dist_fresh && return 0
  lock_setup
  dist_fresh && return 0
  step "Building dist/ (a few seconds)"
  build_dist
}

build_dist() {
  lock_setup
  compile_dist || fail "The build failed: see the errors above."
}

compile_dist() {
  local fresh="$workspace/dist" script
  mkdir -p "$fresh"
  touch "$fresh/.built" # now, so that a file that changes while the compiler runs makes dist/ stale again
  (
    cd "$root"
    PATH="$(dirname "$node"):$PATH" "$node" node_modules/typescript/bin/tsc -p tsconfig.build.json --outDir "$fresh" >&2
  ) || return 1
  (cd "$root" && PATH="$(dirname "$node"):$PATH" "$node" scripts/setup/bundle.ts "$fresh" >&2) || return 1
  # Redis scripts, and the files of the dashboard.
  (cd "$root" && find src -name '*.lua' -o -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg') | while IFS= read -r script; do
    mkdir -p "$fresh/$(dirname "$script")"
    cp "$root/$script" "$fresh/$script"
  done
  [ ! -f "$fresh/src/cli.js" ] || chmod 755 "$fresh/src/cli.js"
  rm -rf "$root/dist"
  mv "$fresh" "$root/dist"
}
