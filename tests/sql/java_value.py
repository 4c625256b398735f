# SPDX-License-Identifier: Apache-2.0
"""Values and types that a vector states as a Java expression: value_of() makes the JSON value that the same thing has in
our results, type_of() Trino's name of the type. Both raise Unknown for what they do not understand."""

import base64
import math
import re
import struct


class Unknown(Exception):
    pass


TOKEN = re.compile(
    r"""\s*(?:(?P<num>0x[0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<suffix>[LlfFdD]?)
    |"(?P<str>(?:[^"\\]|\\.)*)"|'(?P<chr>(?:[^'\\]|\\.)*)'|(?P<name>[A-Za-z_][\w.]*(?:::\w+)?)
    |(?P<op>>>>|<<|>>|->|[-+*/%|&^~(),.!?:=<>{}\[\]]))""", re.X)

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


def unescape(s):
    out = re.sub(r"\\u+([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), s)
    out = re.sub(r"\\([^u])", lambda m: ESCAPES.get(m[1], m[1]), out)
    return out.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Num:
    """A Java number: kind is int, long, float or double, and wraps around as there."""

    def __init__(self, v, kind):
        if kind in ("byte", "short", "int", "long"):
            bits = {"byte": 8, "short": 16, "int": 32, "long": 64}[kind]
            v = (int(v) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        elif kind == "float":
            try:
                v = struct.unpack("f", struct.pack("f", v))[0]
            except OverflowError:
                v = math.copysign(math.inf, v)
        self.v, self.kind = v, kind

    def whole(self):
        return self.kind not in ("float", "double")


class Varbinary(bytes):
    pass


def tokens(text):
    at, out = 0, []
    text = text.strip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise Unknown(text[at:at + 20])
        out.append(m)
        at = m.end()
    return out


class Parser:
    def __init__(self, text):
        self.t, self.i = tokens(text), 0

    def peek(self, op):
        return self.i < len(self.t) and self.t[self.i]["op"] == op

    def take(self, op):
        if self.peek(op):
            self.i += 1
            return True
        return False

    def need(self, op):
        if not self.take(op):
            raise Unknown("expected " + op)

    LEVELS = [("|",), ("^",), ("&",), ("<<", ">>", ">>>"), ("+", "-"), ("*", "/", "%")]

    def expr(self, level=0):
        if level == len(self.LEVELS):
            return self.unary()
        left = self.expr(level + 1)
        while self.i < len(self.t) and self.t[self.i]["op"] in self.LEVELS[level]:
            op = self.t[self.i]["op"]
            self.i += 1
            left = binary(op, left, self.expr(level + 1))
        return left

    def unary(self):
        if self.take("-"):
            x = self.unary()
            return Num(-x.v, x.kind)
        if self.take("~"):
            x = self.unary()
            return Num(~x.v, x.kind)
        if self.peek("("):
            m = self.t[self.i + 1]
            if m["name"] and self.i + 2 < len(self.t) and self.t[self.i + 2]["op"] == ")":
                self.i += 3
                x = self.unary()
                kind = m["name"]
                return Num(x.v, kind) if kind in ("byte", "short", "int", "long", "float", "double") else x
            self.i += 1
            x = self.expr()
            self.need(")")
            return self.suffix(x)
        return self.suffix(self.primary())

    def suffix(self, x):
        while self.take("."):
            name = self.t[self.i]["name"]
            self.i += 1
            args = self.args()
            x = method(x, name, args)
        return x

    def args(self):
        self.need("(")
        out = []
        while not self.take(")"):
            out.append(self.expr())
            self.take(",")
        return out

    def primary(self):
        if self.i >= len(self.t):
            raise Unknown("end")
        m = self.t[self.i]
        self.i += 1
        if m["num"]:
            text = m["num"].replace("_", "")
            suffix = m["suffix"].lower()
            if text.startswith("0x"):
                return Num(int(text + (suffix if suffix in "df" else ""), 16), "long" if suffix == "l" else "int")
            if suffix == "f":
                return Num(float(text), "float")
            if suffix == "d" or not text.isdigit():
                return Num(float(text), "double")
            return Num(int(text), "long" if suffix == "l" else "int")
        if m["str"] is not None:
            return unescape(m["str"])
        if m["chr"] is not None:
            return Num(ord(unescape(m["chr"])), "char")
        name = m["name"]
        if name is None:
            raise Unknown(m[0])
        if name == "new":
            name = self.t[self.i]["name"]
            self.i += 1
            return constructor(name, self.args())
        if self.peek("("):
            return call(name, self.args())
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name.isupper() or name == "UTC":
            return name
        raise Unknown(name)


CONSTANTS = {
    "true": True, "false": False, "null": None, "NaN": Num(math.nan, "double"), "Double.NaN": Num(math.nan, "double"),
    "Float.NaN": Num(math.nan, "float"), "POSITIVE_INFINITY": Num(math.inf, "double"),
    "NEGATIVE_INFINITY": Num(-math.inf, "double"), "Double.POSITIVE_INFINITY": Num(math.inf, "double"),
    "Double.NEGATIVE_INFINITY": Num(-math.inf, "double"), "Float.POSITIVE_INFINITY": Num(math.inf, "float"),
    "Float.NEGATIVE_INFINITY": Num(-math.inf, "float"), "Math.PI": Num(math.pi, "double"), "PI": Num(math.pi, "double"),
    "E": Num(math.e, "double"), "Math.E": Num(math.e, "double"), "Long.MAX_VALUE": Num(2**63 - 1, "long"),
    "Long.MIN_VALUE": Num(-2**63, "long"), "Integer.MAX_VALUE": Num(2**31 - 1, "int"),
    "Integer.MIN_VALUE": Num(-2**31, "int"), "Double.MAX_VALUE": Num(1.7976931348623157e308, "double"),
    "Double.MIN_VALUE": Num(5e-324, "double"), "Float.MAX_VALUE": Num(3.4028234663852886e38, "float"),
    "Short.MAX_VALUE": Num(32767, "short"), "Byte.MAX_VALUE": Num(127, "byte"),
}


def binary(op, a, b):
    if op == "+" and (isinstance(a, str) or isinstance(b, str)):
        return text_of(a) + text_of(b)
    if not isinstance(a, Num) or not isinstance(b, Num):
        raise Unknown(op)
    order = ["byte", "short", "char", "int", "long", "float", "double"]
    kind = order[max(order.index(a.kind), order.index(b.kind), 3)]
    if op in ("<<", ">>", ">>>"):
        kind = order[max(order.index(a.kind), 3)]
        bits = 64 if kind == "long" else 32
        n = b.v % bits
        x = a.v << n if op == "<<" else a.v >> n if op == ">>" else (a.v % (1 << bits)) >> n
        return Num(x, kind)
    whole = kind in ("int", "long")
    x, y = a.v, b.v
    if op == "/" and not whole:
        if y == 0:
            return Num(math.nan if x == 0 or x != x else math.copysign(math.inf, x) * math.copysign(1, y), kind)
        return Num(x / y, kind)
    if op in "/%" and whole:
        q = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return Num(q if op == "/" else x - q * y, kind)
    if op == "%":
        return Num(math.fmod(x, y), kind)
    return Num({"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "|": lambda: x | y, "&": lambda: x & y,
                "^": lambda: x ^ y}[op](), kind)


def double_text(x):
    if x.v != x.v:
        return "NaN"
    if math.isinf(x.v):
        return "Infinity" if x.v > 0 else "-Infinity"
    v = x.v
    if x.kind == "float":
        for digits in range(1, 10):
            v = float(f"{x.v:.{digits}g}")
            if struct.pack("f", v) == struct.pack("f", x.v):
                break
    if v == 0:
        return "-0.0" if math.copysign(1, v) < 0 else "0.0"
    sign, v = ("-", -v) if v < 0 else ("", v)
    if 1e-3 <= v < 1e7:
        return sign + (repr(v) if "e" not in repr(v) else f"{v:.20f}".rstrip("0"))
    m, e = f"{v:e}".split("e")
    for digits in range(0, 18):
        m, e = f"{v:.{digits}e}".split("e")
        if float(f"{m}e{e}") == v:
            break
    return sign + (m if "." in m else m + ".0") + "E" + str(int(e))


def text_of(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, Num):
        if v.kind == "char":
            return chr(v.v)
        return str(v.v) if v.whole() else double_text(v)
    if isinstance(v, Varbinary):
        return " ".join(f"{b:02x}" for b in v)
    if isinstance(v, list):
        return "[" + ", ".join(text_of(x) for x in v) + "]"
    if isinstance(v, dict):
        return "{" + ", ".join(k + "=" + text_of(x) for k, x in v.items()) + "}"
    return str(v)


class Timestamp(str):
    pass


def timestamp(precision, y, mo, d, h=None, mi=None, s=None, ms=None):
    n = [x.v if isinstance(x, Num) else 0 for x in (y, mo, d, h, mi, s, ms)]
    out = f"{n[0]:04}-{n[1]:02}-{n[2]:02} {n[3]:02}:{n[4]:02}:{n[5]:02}"
    return Timestamp(out + (f".{n[6] * 10**9:012d}"[:precision.v + 1] if precision.v > 0 else ""))


def java_format(fmt, *args):
    it = iter(args)
    return re.sub(r"%s", lambda _: text_of(next(it)), fmt)


def decimal_text(text):
    """"-.50" as decimals are printed: -0.50; there is no minus zero."""
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text.lstrip("+"))
    whole, point, fraction = text.partition(".")
    out = (whole.lstrip("0") or "0") + point + fraction
    return out if not out.strip("0.") else sign + out


def call(name, args):
    short = name.split(".")[-1]
    if short in ("of", "asList", "newArrayList", "list", "singletonList") and "Map" not in name:
        return args
    if short == "emptyList":
        return []
    if short == "nCopies":
        return [args[1]] * args[0].v
    if short in ("of", "asMap", "map", "singletonMap") and ("Map" in name or short in ("asMap", "map", "singletonMap")):
        pairs = zip(args[0], args[1]) if short == "asMap" else zip(args[::2], args[1::2])
        return {shown(k) if isinstance(k, Timestamp) else text_of(k): v for k, v in pairs}
    if short in ("emptyMap",):
        return {}
    if short == "builder" and "Map" in name:
        return {}
    if short == "builder":
        return []
    if short == "put":
        raise Unknown(name)
    if short in ("createDecimalType", "createCharType", "createVarcharType"):
        return short
    if short == "decimal":
        return decimal_text(args[0])
    if short == "number":
        return text_of(args[0])
    if short == "sqlVarbinaryFromHex":
        return Varbinary(bytes.fromhex(args[0]))
    if short in ("sqlVarbinary", "varbinary"):
        out = b"".join(x.encode() if isinstance(x, str) else bytes([x.v & 255]) for x in args)
        return Varbinary(out)
    if short == "padRight":
        return args[0].ljust(args[1].v)
    if short == "lowerByCodePoint":
        return args[0].lower()
    if short == "upperByCodePoint":
        return args[0].upper()
    if short in ("encodeBase64", "encodeBase64Url", "encodeHex", "encodeBase32"):
        raw = args[0].encode()
        return {"encodeBase64": lambda: base64.b64encode(raw), "encodeBase64Url": lambda: base64.urlsafe_b64encode(raw),
                "encodeHex": lambda: raw.hex().upper().encode(),
                "encodeBase32": lambda: base64.b32encode(raw)}[short]().decode()
    if short == "sqlTimestampOf":
        return timestamp(*args)
    if short in ("toDate", "sqlDate") and isinstance(args[0], str):
        return args[0][:10]
    if short == "format":
        return java_format(*args)
    if short in ("toChars",):
        return chr(args[0].v)
    if name.startswith("Math.") or short in ("sqrt",):
        return Num(getattr(math, short)(*[a.v for a in args]), "double")
    if name == "String.valueOf":
        return text_of(args[0])
    if short == "valueOf" or short in ("anonymousRow",):
        return args[0]
    raise Unknown(name)


def constructor(name, args):
    if name in ("SqlNumber", "BigDecimal", "String", "SqlDecimal"):
        return text_of(args[0])
    if name == "TrinoNumber.NotANumber":
        return "NaN"
    if name == "TrinoNumber.Infinity":
        return "-Infinity" if args[0] is True else "Infinity"
    if name == "DateTime":
        n = [a.v for a in args if isinstance(a, Num)]
        return f"{n[0]:04}-{n[1]:02}-{n[2]:02}"
    if name == "SqlIntervalDayTime":
        n = [a.v for a in args]
        ms = n[0] if len(n) == 1 else (((n[0] * 24 + n[1]) * 60 + n[2]) * 60 + n[3]) * 1000 + n[4]
        sign, ms = ("-", -ms) if ms < 0 else ("", ms)
        return f"{sign}{ms // 86400000} {ms // 3600000 % 24:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
    if name == "SqlIntervalYearMonth":
        months = args[0].v if len(args) == 1 else args[0].v * 12 + args[1].v
        sign, months = ("-", -months) if months < 0 else ("", months)
        return f"{sign}{months // 12}-{months % 12}"
    raise Unknown(name)


def method(x, name, args):
    if name == "put":
        x[text_of(args[0])] = args[1]
        return x
    if name == "add":
        x.append(args[0])
        return x
    if name in ("build", "buildOrThrow", "toString", "trim"):
        return text_of(x) if name == "toString" else x
    raise Unknown(name)


def shown(timestamp):
    """Results show three digits of fraction at least."""
    return timestamp if "." in timestamp else timestamp + ".000"


def json_of(v):
    """Into what json.dumps takes; numbers that JSON cannot hold become text."""
    if isinstance(v, Num):
        if v.whole():
            return chr(v.v) if v.kind == "char" else v.v
        return float(double_text(v)) if math.isfinite(v.v) else double_text(v)
    if isinstance(v, Varbinary):
        return text_of(v)
    if isinstance(v, Timestamp):
        return shown(v)
    if isinstance(v, list):
        return [json_of(x) for x in v]
    if isinstance(v, dict):
        return {k: json_of(x) for k, x in v.items()}
    return v


def value_of(java):
    if ".builder()" in java and ".build" not in java.replace(".builder()", ""):
        raise Unknown("cut off")
    p = Parser(java)
    v = p.expr()
    if p.i != len(p.t):
        raise Unknown("rest")
    return json_of(v)


SCALARS = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "REAL": "real", "DOUBLE": "double", "VARCHAR": "varchar", "VARBINARY": "varbinary", "DATE": "date", "JSON": "json",
    "UUID": "uuid", "IPADDRESS": "ipaddress", "UNKNOWN": "unknown", "TIMESTAMP_MILLIS": "timestamp(3)",
    "INTERVAL_DAY_TIME": "interval day to second", "INTERVAL_YEAR_MONTH": "interval year to month",
    "TIMESTAMP_TZ_MILLIS": "timestamp(3) with time zone",
}


def type_of(java):
    text = re.sub(r"\s+", " ", java.strip())
    t, rest = type_at(text)
    if rest.strip():
        raise Unknown(text)
    return t


def split_args(text):
    """text starts behind '('. Gives the arguments and what follows ')'."""
    depth, start, out, quoted = 0, 0, [], False
    for i, c in enumerate(text):
        if c == '"':
            quoted = not quoted
        if quoted:
            continue
        if c in "(":
            depth += 1
        elif c == ")":
            if depth == 0:
                if text[start:i].strip():
                    out.append(text[start:i].strip())
                return out, text[i + 1:]
            depth -= 1
        elif c == "," and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
    raise Unknown(text)


def row_fields(args):
    if len(args) == 1 and args[0].startswith("ImmutableList.of("):
        args, _ = split_args(args[0][len("ImmutableList.of("):])
    fields = []
    for a in args:
        if a.startswith(("RowType.field(", "field(", "new RowType.Field(")):
            inner, _ = split_args(a[a.index("(") + 1:])
            if len(inner) == 2:
                name = inner[0].removeprefix("Optional.of(").rstrip(")").strip('"')
                fields.append(f'{name} {type_of(inner[1])}')
            else:
                fields.append(type_of(inner[0]))
        else:
            fields.append(type_of(a))
    return "row(" + ", ".join(fields) + ")"


def type_at(text):
    m = re.match(r"(?:new )?([A-Za-z_][\w.]*)(\(?)", text)
    if not m:
        raise Unknown(text)
    name, rest = m[1], text[m.end():]
    if not m[2]:
        if name.split(".")[-1] in SCALARS:
            return SCALARS[name.split(".")[-1]], rest
        raise Unknown(name)
    args, rest = split_args(rest)
    if name == "createVarcharType":
        return f"varchar({int(args[0])})", rest
    if name == "createUnboundedVarcharType":
        return "varchar", rest
    if name == "createCharType":
        return f"char({int(args[0])})", rest
    if name == "createDecimalType":
        if not args:
            return "decimal(38,0)", rest
        return f"decimal({int(args[0])},{int(args[1]) if len(args) > 1 else 0})", rest
    if name == "createTimestampType":
        return f"timestamp({int(args[0])})", rest
    if name == "createTimestampWithTimeZoneType":
        return f"timestamp({int(args[0])}) with time zone", rest
    if name == "createTimeType":
        return f"time({int(args[0])})", rest
    if name in ("ArrayType",):
        return f"array({type_of(args[0])})", rest
    if name in ("mapType",):
        return f"map({type_of(args[0])}, {type_of(args[1])})", rest
    if name in ("RowType.anonymous", "anonymousRow", "RowType.from", "RowType.rowType", "rowType"):
        return row_fields(args), rest
    if name in ("RowType.anonymousRow",):
        return row_fields(args), rest
    if name == "zipReturnType":
        return "array(row(" + ", ".join(type_of(a) for a in args) + "))", rest
    if name == "entryType":
        return "array(row(" + ", ".join(type_of(a) for a in args) + "))", rest
    raise Unknown(name)


def judged(vector):
    """The vector with value and type_name where its Java can be read; None when nothing can be judged."""
    out = dict(vector)
    if "type" in vector:
        try:
            out["type_name"] = type_of(vector["type"])
        except (Unknown, ValueError, IndexError):
            pass
    elif "java" in vector:
        m = re.fullmatch(r'decimal\("[^"]*", (createDecimalType\(.*\)|DECIMAL)\)', vector["java"].strip())
        if m and m[1] != "DECIMAL":
            out["type_name"] = type_of(m[1])
    if "java" in vector:
        try:
            out["value"] = value_of(vector["java"])
        except (Unknown, ValueError, IndexError, AttributeError, KeyError, TypeError, StopIteration):
            return None
    return out
