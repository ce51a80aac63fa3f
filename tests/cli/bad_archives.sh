# SAEs in archives of torch.save and numpy.savez that lie or want to run
# something: refused with one line that says what is wrong, nothing run, written
# or left behind. Python's zipfile and pickle make them from good ones.
. "$SOURCE/tests/common.sh"
need python3
find . -mindepth 1 -delete
make_dump
make_saes --features 64 -k 4 --tokens 4k --architecture topk
headscope export layer0.sae --format dictionary_learning -o dl -q >out.log

cat >spoil.py <<'END'
"""Spoiled variants of dl/ae.pt and of a params.npz: spoil.py NAME"""
import io, os, pickle, struct, sys, zipfile
good = zipfile.ZipFile("dl/ae.pt")
members = {n: good.read(n) for n in good.namelist()}
PKL = "archive/data.pkl"
out = sys.argv[2] if len(sys.argv) > 2 else "bad/ae.pt"


def write(members, method=zipfile.ZIP_STORED):
    items = members.items() if isinstance(members, dict) else members
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in items:
            z.writestr(name, data)


def program(p):
    return write(members | {PKL: p})


def swap(old, new):
    assert old in members[PKL], old
    program(members[PKL].replace(old, new, 1))


def number(n):
    return b"\x8a\x08" + struct.pack("<q", n)


def patch(data, at, new):
    return data[:at] + new + data[at + len(new):]


def directory(field, value, name=b"archive/data/0"):
    """Changes a number of a member's entry in the central directory."""
    data = open("dl/ae.pt", "rb").read()
    at = data.rindex(name) - 46
    assert data[at:at + 4] == b"PK\x01\x02"
    return patch(data, at + field[0], struct.pack(field[1], value))


def raw(data):
    open(out, "wb").write(data)


class Calls:
    def __reduce__(self):
        return os.system, ("touch owned",)


def npy(descr, shape, data, order="False"):
    head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}}}"
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + (
        head.encode() + data)


def npz(method=zipfile.ZIP_STORED, **changed):
    d, m = 256, 64
    f = lambda *shape: npy("<f4", shape, bytes(4 * d * m if len(shape) == 2
                                               else 4 * shape[0]))
    arrays = {"W_enc": f(d, m), "W_dec": f(m, d), "b_enc": f(m),
              "b_dec": f(d), "threshold": f(m)} | changed
    write({n + ".npy": a for n, a in arrays.items()}, method)


SIZE, PACKED, PLACE, FLAGS, METHOD = (
    (24, "<I"), (20, "<I"), (42, "<I"), (8, "<H"), (10, "<H"))
bomb = bytes(1 << 28)
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
spoiled = {
    # pickles
    "system": lambda: program(pickle.dumps({"k": Calls()}, 2)),
    "system4": lambda: program(pickle.dumps({"k": Calls()}, 4)),
    "eval": lambda: program(b"\x80\x02cbuiltins\neval\nX\x04\0\0\x001+11\x85R."),
    "setattr": lambda: swap(REBUILD, b"ctorch\n_utils.setattr\n"),
    "object": lambda: program(b"\x80\x02)\x81."),
    "instance": lambda: program(b"\x80\x02(ios\nsystem\n."),
    "numpy": lambda: swap(b"ctorch\nFloatStorage\n", b"cnumpy\nfloat32\n"),
    "complex": lambda: swap(b"FloatStorage", b"ComplexFloatStorage"),
    "double": lambda: swap(b"FloatStorage", b"DoubleStorage"),
    "call": lambda: program(b"\x80\x02ctorch\nFloatStorage\n)R."),
    "list": lambda: program(b"\x80\x02]."),
    "number": lambda: program(b"\x80\x02}X\x01\0\0\0kK\x01s."),
    "key": lambda: swap(b"X\x01\0\0\x000", b"X\x04\0\0\0../x"),
    "storage": lambda: swap(b"X\x07\0\0\0storage", b"X\x06\0\0\0module"),
    "short": lambda: program(members[PKL][:-2]),
    "more": lambda: program(members[PKL] + b"N."),
    "memo": lambda: program(b"\x80\x02h\x05."),
    "mark": lambda: program(b"\x80\x02(s."),
    # tensors: encoder.weight is (64, 256)
    "strides": lambda: swap(number(256) + number(1), number(512) + number(1)),
    "expanded": lambda: swap(number(256) + number(1), number(0) + number(0)),
    "shape": lambda: swap(number(64) + number(256),
                          number(1 << 40) + number(1 << 40)),
    "negative": lambda: swap(number(64) + number(256),
                             number(-64) + number(256)),
    "outside": lambda: swap(b"tQ" + number(0), b"tQ" + number(1)),
    "numel": lambda: swap(number(64 * 256), number(64 * 256 + 1)),
    # the archive
    "packed": lambda: write(members, zipfile.ZIP_DEFLATED),
    "missing": lambda: write({n: d for n, d in members.items()
                              if n != "archive/data/0"}),
    "big": lambda: write(members | {"archive/byteorder": b"big"}),
    "twice": lambda: write(members | {"other/data.pkl": members[PKL]}),
    "dots": lambda: write(members | {"archive/../x": b""}),
    "slash": lambda: write(members | {"/etc/x": b""}),
    "legacy": lambda: raw(pickle.dumps(0x1950a86a20f9469cfc6c, 2) + b"\0" * 99),
    "cut": lambda: raw(open("dl/ae.pt", "rb").read()[:-100]),
    "size": lambda: raw(directory(SIZE, 0xfffffff0)),
    "packed size": lambda: raw(directory(PACKED, 0xfffffff0)),
    "place": lambda: raw(directory(PLACE, 0xfffffff0)),
    "encrypted": lambda: raw(directory(FLAGS, 1)),
    "method": lambda: raw(directory(METHOD, 12)),
    "flipped": lambda: raw(open("dl/ae.pt", "rb").read().replace(
        members["archive/data/0"][:64], bytes(64), 1)),
    # npz
    "npz": npz,
    "npz packed": lambda: npz(zipfile.ZIP_DEFLATED),
    "bomb": lambda: npz(zipfile.ZIP_DEFLATED,
                        W_enc=npy("<f4", (256, 64), bomb)),
    "honest bomb": lambda: npz(zipfile.ZIP_DEFLATED,
                               W_enc=npy("<f4", (1 << 18, 1 << 8), bomb)),
    "bomb in the header": lambda: npz(zipfile.ZIP_DEFLATED, W_enc=bomb),
    "f8": lambda: npz(W_enc=npy("<f8", (256, 64), bytes(8 * 256 * 64))),
    "fortran": lambda: npz(W_enc=npy("<f4", (256, 64), bytes(4 * 256 * 64),
                                     "True")),
    "objects": lambda: npz(b_enc=npy("|O", (64,), pickle.dumps(Calls()))),
    "extra": lambda: npz(W_skip=npy("<f4", (1,), bytes(4))),
    "text": lambda: write({"notes.txt": b"hello"}),
}
os.makedirs(os.path.dirname(out), exist_ok=True)
spoiled[sys.argv[1]]()
END

# bad WORDS NAME: that variant is refused wherever an SAE may stand, at once
bad() {
  mkdir -p bad
  rm -f bad/*
  python3 spoil.py "$2" "$3"
  [ "$3" != bad/ae.pt ] || cp dl/config.json bad
  refuse 2 "$1" info "$3"
  refuse 2 "$1" encode -q tiny.dump "$3" -o x.db
  refuse 2 "$1" export "$3" --format saelens -o x.sae
  [ ! -e owned ] || fail "$2 was run"
}
pt() { bad "$1" "$2" bad/ae.pt; }
npz() { bad "$1" "$2" bad/params.npz; }

pt "asks for 'posix.system'" system
pt "no pickle of protocol 2" system4
pt "asks for 'builtins.eval'" eval
pt "asks for 'torch._utils.setattr'" setattr
pt "pickle opcode 0x81" object
pt "pickle opcode 0x69" instance
pt "asks for 'numpy.float32'" numpy
pt "asks for 'torch.ComplexFloatStorage'" complex
pt "its storage has 65536 bytes, the pickle says 131072" double
pt "it calls what is no function" call
pt "its result is no dict" list
pt "'k' is no tensor" number
pt "a storage whose key is no number" key
pt "a persistent id that is no storage" storage
pt "cut short" short
pt "more than one result" more
pt "a memo number that was never set" memo
pt "the pickle is malformed" mark
pt "encoder.weight': strides of neither" strides
pt "encoder.weight': strides of neither" expanded
pt "the shape is too large" shape
pt "negative size" negative
pt "lie outside a storage of 65536 bytes" outside
pt "its storage has 65536 bytes, the pickle says 65540" numel
pt "is packed, which torch.save does not do" packed
pt "no member 'archive/data/0'" missing
pt "byteorder is not 'little'" big
pt "data.pkl is there twice" twice
pt "member name 'archive/../x' is refused" dots
pt "member name '/etc/x' is refused" slash
pt "as torch.save wrote before PyTorch 1.6" legacy
pt "no sound zip archive" cut
pt "bad/ae.pt" size
pt "bad/ae.pt" "packed size"
pt "bad/ae.pt" place
pt "bad/ae.pt" encrypted
pt "bad/ae.pt" method
pt "does not unpack to the" flipped

mkdir good
for name in npz "npz packed"; do
  python3 spoil.py "$name" good/params.npz
  headscope info good/params.npz | grep -q '^format *gemma_scope$' ||
    fail "$name is read"
done
npz "needs 65536 bytes, the file has 268435456" bomb
npz "'b_enc' is f32 [64]; the other sizes ask for [256]" "honest bomb"
npz "is no .npy file" "bomb in the header"
npz "'W_enc' is f64 [256, 64]; must be f32, f16 or bf16" f8
npz "Fortran order" fortran
npz "Python objects" objects
npz "tensor 'W_skip' is not one of Gemma Scope's" extra
npz "member 'notes.txt' is no NAME.npy" text

# -- a format that cannot hold the SAE, and arguments that do not go together
refuse 2 "layer0 is a topk SAE, which gemma_scope cannot hold; these can: \
saelens, sparsify, dictionary_learning" \
  export layer0.sae --format gemma_scope -o x.sae
refuse 1 "is an SAE; add --format saelens" export layer0.sae -o x.csv
refuse 1 "is an SAE; add --format" export layer0.sae --format npy -o x.npy
refuse 1 "are for the codes of a database" \
  export layer0.sae --format saelens --heads -o x.sae
refuse 2 "tiny.txt is no SAE" export tiny.txt --format saelens -o x.sae
refuse 2 "--force" export layer0.sae --format sparsify -o layer1.sae
refuse 2 "sae.safetensors" export layer0.sae --format sparsify -o layer1.sae \
  --force
rm dl/config.json
refuse 2 "config.json" info dl
