# The engine that runs the model in this process: node-llama-cpp with llama.cpp built for this machine's CPU. It is not
# a dependency in package.json because its optional GPU packages weigh 600 MB. Sourced after common.sh and node.sh.

engine_version="3.22.1"

# engine_package: prints the name of the prebuilt package of this machine, or fails.
engine_package() {
  # The prebuilt ones for Linux need glibc; Alpine has none.
  [ "$(uname -s)" != Linux ] || getconf GNU_LIBC_VERSION >/dev/null 2>&1 || return 1
  case "$(uname -s)/$(uname -m)" in
    Linux/x86_64 | Linux/amd64) echo @node-llama-cpp/linux-x64 ;;
    Linux/aarch64 | Linux/arm64) echo @node-llama-cpp/linux-arm64 ;;
    Darwin/arm64) echo @node-llama-cpp/mac-arm64-metal ;;
    Darwin/x86_64) echo @node-llama-cpp/mac-x64 ;;
    *) return 1 ;;
  esac
}

engine_installed() {
  local manifest="$tools/node_modules/node-llama-cpp/package.json"
  [ -f "$manifest" ] && [ -d "$tools/node_modules/$1" ] && grep -q "\"version\": \"$engine_version\"" "$manifest"
}

ensure_engine() {
  local package
  package="$(engine_package)" ||
    fail "The embedded model has no engine for $(uname -s) on $(uname -m). promptfleet itself runs here: use Ollama, vLLM or a cloud model."
  engine_installed "$package" && return 0
  step "Installing node-llama-cpp $engine_version into .tools (up to a minute, about 90 MB)"
  make_workspace
  mkdir -p "$workspace/engine"
  # Without its install script, which would compile llama.cpp where it finds no prebuilt one.
  logged npm install --prefix "$workspace/engine" --omit=optional --ignore-scripts --no-audit --no-fund \
    --engine-strict=false "node-llama-cpp@$engine_version" "$package@$engine_version" ||
    fail "npm could not install node-llama-cpp $engine_version (its last lines are above). If it is the network: mend it and run this again."
  rm -rf "$tools/node_modules"
  mv "$workspace/engine/node_modules" "$tools/node_modules"
}
