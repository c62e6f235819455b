# Shared by the scripts of a Redis pod; sourced, never run.
# GROUP (store or sessions), SERVICE (of the group), DOMAIN, MASTER_NAME, REPLICAS come from the pod.
# shellcheck shell=bash
# shellcheck disable=SC2034  # for the scripts that source this
run=/run/redis
auth=/etc/purr/redis
me=$HOSTNAME.$SERVICE.$DOMAIN
quorum=$((REPLICAS / 2 + 1))

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }

peers() {
  local i
  for ((i = 0; i < REPLICAS; i++)); do
    [ "$SERVICE-$i" = "$HOSTNAME" ] || echo "$SERVICE-$i.$SERVICE.$DOMAIN"
  done
}

# One command to a server, at most two seconds. The password travels in the environment, not in the list of processes.
ask() { # host port command...
  local host=$1 port=$2
  shift 2
  REDISCLI_AUTH=$(<"$auth/admin") timeout 2 redis-cli --no-auth-warning --user admin --tls \
    --cacert /etc/purr/tls/ca.crt -h "$host" -p "$port" "$@" 2>/dev/null | tr -d '\r'
}
here() { # command... (to this pod's server)
  REDISCLI_AUTH=$(<"$auth/admin") timeout 5 redis-cli --no-auth-warning --user admin -s "$run/redis.sock" "$@" 2>/dev/null | tr -d '\r'
}

field() { sed -n "s/^$1://p"; } # of an INFO on the input

# ACL lines: a password is stored as its hash only. The admin of a pod is its own scripts.
users() { # files with lines: user rules...
  local user rules
  hash_of_user() { printf '%s' "$(<"$auth/$1")" | sha256sum | cut -d' ' -f1; }
  # Nobody can be the default user, and it may do everything: as it a server reads its own log, and what a script wrote
  # (MULTI … EXEC there) would be left out, with no more than a line saying so (github.com/redis/redis/issues/14541).
  echo 'user default off resetpass ~* &* +@all'
  cat "$@" | while read -r user rules; do
    echo "user $user on #$(hash_of_user "$user") $rules"
  done
}
