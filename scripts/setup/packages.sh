# Packages of the system, by its package manager and with consent. Sourced after common.sh.

# from_package_manager WHAT FOUND APT DNF APK PACMAN BREW: what is missing, in words; the command that is true once it
# is there; and the names of packages that bring it, the better ones first, per package manager.
from_package_manager() {
  if have apt-get; then
    install_one_of "$1" "$2" "$3" apt-get install -y --no-install-recommends
  elif have dnf; then
    install_one_of "$1" "$2" "$4" dnf install -y
  elif have apk; then
    install_one_of "$1" "$2" "$5" apk add --no-cache
  elif have pacman; then
    install_one_of "$1" "$2" "$6" pacman -S --noconfirm --needed
  elif have brew; then
    as_root="" && try_packages "$2" "$7" brew install
  else
    return 1
  fi
}

# install_one_of WHAT FOUND PACKAGES COMMAND…
install_one_of() {
  local what="$1" found="$2" packages="$3"
  shift 3
  [ -n "$packages" ] && may_install "$what" "$*" "${packages%% *}" || return 1
  try_packages "$found" "$packages" "$@"
}

# may_install WHAT COMMAND…: true when this command may change the system: as root; or with sudo and consent, given at a
# terminal, by --yes or by CI. Sets `as_root` to what goes before the command.
may_install() {
  local answer what="$1"
  shift
  as_root=""
  [ "$(id -u)" -ne 0 ] || return 0
  have sudo || return 1
  if [ "$assume_yes" = yes ]; then
    sudo -n true 2>/dev/null || return 1
  else
    [ -t 0 ] && [ -t 2 ] || return 1
    printf 'There is no %s. Install it for the whole system with "sudo %s"? [y/N] ' "$what" "$*" >&2
    read -r answer || return 1
    case "$answer" in [yY]*) ;; *) return 1 ;; esac
    sudo -v || return 1
  fi
  as_root="sudo"
}

# try_packages FOUND PACKAGES COMMAND…: the first of these packages after which FOUND is true.
try_packages() {
  local found="$1" packages="$2" package
  shift 2
  for package in $packages; do
    step "Installing $package with $1 (up to a minute; a service of it that the system may start is not used)"
    if ! log_lines=0 logged $as_root env DEBIAN_FRONTEND=noninteractive "$@" "$package"; then
      # A fresh Debian or Ubuntu has no package lists yet.
      [ "$1" = apt-get ] && log_lines=3 logged $as_root apt-get update || continue
      logged $as_root env DEBIAN_FRONTEND=noninteractive "$@" "$package" || continue
    fi
    hash -r
    "$found" && return 0
  done
  return 1
}
