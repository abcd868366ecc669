#!/bin/sh
# Deploys to one machine: takes a moment, then leaves a line in the machine's marker file. A second run would leave a
# second line, so the file tells how often the machine was really deployed.
#   deploy.sh <directory> <address> <domain>
set -eu

sleep 0.6
case "$3" in
  legacy.*)
    echo "no certificate can be had for $3" >&2
    exit 3
    ;;
esac
echo "$3" >> "$1/$2.deployed"
