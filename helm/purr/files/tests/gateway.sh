#!/usr/bin/env bash
# Asks a gateway for some paths and expects 200 for each.
# GATEWAY: host:port; NAME: name in its certificate; PATHS: separated by blanks; CA: PEM file, empty: not verified
set -euo pipefail
verify=()
[ -z "$CA" ] || verify=(-CAfile "$CA" -verify_return_error -verify_hostname "$NAME")

ask() { # path -> the status line
  printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$NAME" |
    timeout 20 openssl s_client -quiet -connect "$GATEWAY" -servername "$NAME" -alpn http/1.1 "${verify[@]}" 2>/tmp/why |
    tr -d '\r' | head -n 1
}

for path in $PATHS; do
  status=$(ask "$path" || true)
  case $status in
    'HTTP/1.'[01]' 200'*) echo "$GATEWAY$path: $status" ;;
    *)
      echo "error: expected 200 from https://$GATEWAY$path, got '${status:-no answer}'"
      tail -n 5 /tmp/why
      exit 1
      ;;
  esac
done
