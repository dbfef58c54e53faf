#!/bin/sh
# Compiler launcher of precompiled headers: precompile.sh LAUNCHER COMPILER... -o OUTPUT
# The header's last result goes first. The compiler's preprocessor would take it in place of the
# header, and ccache, seeing the same text as before, would give the old result again.
previous=
for argument; do
  [ "$previous" = -o ] && rm -f "$argument"
  previous=$argument
done
exec "$@"
