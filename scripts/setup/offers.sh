# What else of this machine could answer: a running Ollama or vLLM server, a key. Each is named with the command that
# uses it. Nothing is sent but two questions to this machine. Sourced after common.sh.

# ids_in KEY: the values of "KEY" in the JSON on stdin, one per line.
ids_in() { tr ',{' '\n\n' | sed -n "s/^ *\"$1\" *: *\"\\([^\"]*\\)\".*/\\1/p"; }

# ask_here URL: the answer of a server on this machine, or nothing; never through a proxy.
ask_here() { have curl && curl -fsS --noproxy '*' --max-time 2 "$1" 2>/dev/null || true; }

# key_place NAME: prints where a key with this name is found; the key itself is neither kept nor shown.
key_place() {
  local file value
  value="$(printenv "$1" || true)"
  [ -z "$value" ] || { echo "the environment"; return 0; }
  for file in "${HOME:-/}/.config/promptfleet/env" "${HOME:-/}/.config/claude-code/env"; do
    if grep -Eq "^(export +)?$1=['\"]?[^'\" ]" "$file" 2>/dev/null; then
      echo "$file"
      return 0
    fi
  done
  return 1
}

# offer NAME MODEL: the command that asks MODEL instead of the embedded one.
offer() {
  say ""
  say "$1:"
  say "  scripts/promptfleet run examples/prompts.jsonl -o out/${2%%/*}.jsonl --force-model $2"
}

# offer_key NAME ADAPTER MODEL
offer_key() {
  local place
  place="$(key_place "$1")" || return 0
  if [ -f "$root/dist/workers/$2.js" ]; then
    offer "$1 is set in $place, and this costs money" "$3"
  else
    say ""
    say "$1 is set in $place; this version has no adapter for $2 yet."
  fi
}

offer_backends() {
  local model
  model="$(ask_here http://127.0.0.1:11434/api/tags | ids_in name | head -n 1)"
  [ -z "$model" ] || offer "Ollama is running here and has $model" "ollama/$model"
  model="$(ask_here http://127.0.0.1:8000/v1/models | ids_in id | head -n 1)"
  [ -z "$model" ] || offer "A vLLM server is running here on port 8000 with $model" "vllm/$model"
  offer_key ANTHROPIC_API_KEY anthropic claude.haiku
  offer_key OPENAI_API_KEY openai openai.gpt4
}
