# SPDX-License-Identifier: Apache-2.0
"""Expressions for restricted eval: VALUES and ERRORS are compared with CPython, REFUSALS and LIMITS are what it
must not do. Each is text; CONTEXT holds the names that they may use."""

CONTEXT = {
    "n": 7, "f": 2.5, "s": "Hello, World", "t": "naïve Straße ﬁ 😀", "flag": True, "none": None,
    "xs": [3, 1, 2], "words": ["pear", "fig", "apple", "Kiwi"],
    "user": {"name": "Ann", "age": 41, "tags": ["a", "b"]},
    "rows": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "x", "v": 3}],
    "big": 10**40, "empty": [], "été": 3,
}

VALUES = """
1
-1
+n
~n
1_000
0x_ff
0b101 + 0o17
1e3
.5
str(1e400)
-0.0
True
None
'a' "b" r'\\n'
'\\u00e9\\N{BULLET}'
1j * 1j
n + 1 - 2 * 3
7 / 2
7 // 2
-7 // 2
-7 % 3
7.5 % -2
2 ** 10
2 ** -1
(-8) ** 2
2 ** 0.5
-2 ** 2
1 << 100
big >> 3
big * big
big // 7
big % 97
n & 3 | 8 ^ 1
True + True
not n
not empty
divmod(-7, 2)
divmod(7.5, 2)
pow(3, 200, 13)
pow(3, -1, 7)
pow(base=2, exp=5)
round(2.5)
round(3.14159, 2)
round(1234, -2)
round(1250, -2)
round(number=2.675, ndigits=2)
abs(-3)
abs(3 + 4j)
int('12')
int('ff', 16)
int('-0b11', 0)
int('1_0')
int(3.99)
int(' 5 ')
int()
float('1.5')
float('-inf') < 0
float(3)
float()
str(1.0)
str()
str(big)
str([1, 'a', None, 2.5, {'k': (1,)}])
str(object='x')
bool([])
bool(0.0)
bool()
chr(233)
ord('é')
len(s)
len(user)
len({1, 2, 2})
len(range(10**12))
min(xs)
max(xs)
max(1, 2, 3)
min([], default=5)
max(words, key=len)
min(words, key=str)
max([1, -5, 3], key=abs)
max(xs, key=None)
sum(xs)
sum(xs, 10)
sum([[1], [2, 3]], [])
sum([0.1] * 10)
sum(x * x for x in xs)
sum((1, 2), start=5)
sum([big, big])
sum([True, False, 2])
sorted(xs)
sorted(words)
sorted(words, key=len)
sorted(xs, reverse=True)
sorted('hello')
sorted({'b': 1, 'a': 2})
sorted([(2, 'a'), (1, 'b'), (1, 'a')])
sorted(rows, key=len) == rows
list(reversed(xs))
list(reversed('abc'))
list(reversed(range(5)))
list(reversed({'a': 1, 'b': 2}))
list(range(5))
list(range(10, 0, -3))
list('añ')
list({'a': 1})
list(zip(xs, 'abc'))
list(zip(xs, words, strict=False))
list(zip())
list(zip('ab', range(10**15)))
list(enumerate('ab', start=2))
list(enumerate(words))
tuple(xs)
set([1, 1]) == {1}
sorted(set('hello'))
dict(a=1, b=2)
dict([('a', 1), ['b', 2]])
dict(user, name='Bob')
dict(zip('ab', xs))
dict(user.items()) == user
all([])
all(x > 0 for x in xs)
any(x > 2 for x in xs)
any([0, '', None])
any(x > 5 for x in range(10**15))
[]
()
(1,)
{}
[1, *xs, *'ab']
(*xs, 4)
sorted({*xs, 3})
{'a': 1, **user, 'age': 0}
{1: 'a', True: 'b'}
{n: 1, 2.5: 2, None: 3}
xs[0]
xs[-1]
xs[1:]
xs[::-1]
xs[:100]
s[1:5]
s[::2]
(1, 2, 3)[1:2]
range(10)[2:8:2][1]
list(range(10)[::-1])
user['name']
user['tags'][1]
rows[0]['k']
xs[True]
1 < 2 < 3
1 < 2 > 5
1 == 1.0
1 != 2
'a' < 'b' <= 'b'
[1, 2] < [1, 3]
(1, 2) == (1, 2)
{1, 2} <= {1, 2, 3}
{1} < {1}
3 in xs
5 not in xs
'World' in s
'' in s
'name' in user
2 in {1, 2}
5 in range(0, 10, 5)
5.0 in range(10)
5 in (x for x in range(10))
none is None
none is not None
n if n > 5 else -n
n and f
empty or 'default'
0 or None
flag and not none
flag or 1 / 0
False and 1 / 0
1 > 2 > 1 / 0
[x * 2 for x in xs]
[x for x in xs if x > 1 if x < 3]
[(x, y) for x in range(3) for y in range(x)]
[[y for y in range(x)] for x in xs]
[a + b for a, b in [(1, 2), (3, 4)]]
[rest for first, *rest in ['abc', 'de']]
[(a, b, c) for a, (b, *c) in [(1, [2, 3, 4])]]
[x for x in [x for x in xs]]
[n for n in xs] + [n]
[len for len in xs]
sorted({x % 2 for x in xs})
{k: v for k, v in user.items() if k != 'tags'}
{r['k']: r['v'] for r in rows}
list(x + 1 for x in xs)
[list(g) for g in [(x * y for y in range(2)) for x in range(3)]]
','.join(w.upper() for w in words)
[sum(r['v'] for r in rows if r['k'] == key) for key in 'xy']
f'{n}'
f'{s!r} {s!s} {t!a}'
f'{f:.3f}|{n:>5}|{n:<5}|{n:^5}|{n:05d}'
f'{big:,}'
f'{n:x} {n:#b} {n:o} {n:c} {f:e} {f:g} {f:%}'
f'{s:*^30}'
f'{f:{n}.{1}f}'
f'{n=}'
f'{{}} {n + 1}'
f'a' 'b' f'{n}'
f'{1e10:_.2f}'
f'{flag} {none} {xs}'
f'{xs!r:>12}'
f'{"nested " + f"{n}"}'
f'{3.0} {3:+d} {-3: d}'
'%d %s %r' % (1, 'a', 'b')
'%5.2f|%-5d|%05d' % (f, n, n)
'%x %X %o %e %g %c' % (255, 255, 8, f, f, 'z')
'%(name)s is %(age)d' % user
'%%' % ()
'%s' % xs
'%s %s' % tuple(words[:2])
'%*d' % (5, n)
'%.*f' % (2, f)
'%-*s|' % (6, 'ab')
s.upper()
s.lower().title()
s.split(', ')
s.split()
' a b  c '.split(None, 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.rsplit(',', 1)
'a\\nb\\r\\nc'.splitlines()
'a\\nb'.splitlines(keepends=True)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
s.replace('l', 'L')
s.replace('l', 'L', 1)
'abc'.replace('', '-')
s.find('World')
s.rfind('l')
s.index('W')
s.count('l')
s.startswith(('He', 'x'))
s.endswith('ld')
'  x '.strip() + 'xxabcxx'.strip('x')
'xxa'.lstrip('x') + 'axx'.rstrip('x')
'ab'.center(7, '*')
'ab'.ljust(5) + '|' + 'ab'.rjust(5, '.')
'-42'.zfill(6)
'a\\tb'.expandtabs(4)
'a\\tb'.expandtabs(tabsize=2)
t.casefold()
t.swapcase()
'hello world'.capitalize()
'prefix-x'.removeprefix('prefix-')
'x.py'.removesuffix('.py')
'12'.isdigit() and 'ab'.isalpha() and 'a1'.isalnum()
[' '.isspace(), 'A'.isupper(), 'a'.islower(), 'Ab'.istitle(), 'a b'.isidentifier(), '½'.isnumeric()]
['é'.isascii(), '٣'.isdecimal(), '\\n'.isprintable()]
xs.count(1)
xs.index(2)
xs.copy() == xs
(1, 2, 1).count(1)
(1, 2).index(2)
user.get('name')
user.get('nope')
user.get('nope', 0)
list(user.keys())
list(user.values())
user.copy()
sorted({1, 2}.union([3], (4,)))
sorted({1, 2, 3}.intersection({2}, [2, 3]))
sorted({1, 2, 3}.difference([1]))
sorted({1, 2}.symmetric_difference({2, 3}))
sorted({1, 2} | {3}) + sorted({1, 2} & {2}) + sorted({1, 2} - {2}) + sorted({1, 2} ^ {2, 5})
{1}.issubset([1, 2]) and {1, 2}.issuperset({1}) and {1}.isdisjoint({2})
{'a': 1} | {'b': 2}
sorted(user.keys() & {'name', 'x'})
(255).bit_length()
(7).bit_count()
(5).as_integer_ratio()
(0.5).as_integer_ratio()
(2.0).is_integer()
(1.5).hex()
(3).conjugate()
True.bit_length()
range(10).count(3)
range(0, 10, 2).index(4)
été + 1
[été for été in [1]]
  n
[1, 2,][1]
'a' * 3 + 3 * 'b' + 'c' * -1
[0] * 3
(1, 2) * 2
[1] + [2]
'x' if 'a' else 'y'
{'k': [n for _ in range(2)]}
str(range(3))
str({1: {2: [3]}})
str(1e16) + str(1e-5) + str(0.1 + 0.2)
int('9' * 5000) % 1000
len(str(10**4000))
int(str(2**4000)) == 2**4000
list(map_ for map_ in [1])
max('a', 'b', key=ord)
ℓen([1])
ｓ + s
min((2, 'b'), (1, 'c'))
""".strip("\n").split("\n") + ['"""two\\nlines"""', "(n\n + 1)", "[1,\r\n2]", "\t n", "n # a comment", "n\n"]

ERRORS = """
1 / 0
1 // 0
1 % 0
1.0 / 0
0 ** -1
divmod(1, 0)
pow(2, -1, 4)
pow(2, 3, 0)
1 << -1
2.5 << 1
10.0 ** 400
int(1e400)
float(10 ** 400)
10 ** 400 / 3.0
f'{10 ** 400:f}'
1 + 'a'
'a' + 1
'a' * 2.5
[] + ()
[1] * [2]
{} + {}
{1} + {2}
-'a'
~1.5
+[]
1 + none
1 < 'a'
[1] < [None]
{} < {}
1 in 5
1 in 'a'
xs[10]
xs['a']
xs[1.0]
s[99]
user['nope']
user[[]]
n[0]
none[0]
(1, 2)[5]
range(3)[7]
xs[::0]
{}[{}]
{[]: 1}
{[1]}
{{}}
{x for x in [[]]}
{[]: 1 for x in xs}
set([[]])
dict([1])
dict([(1, 2, 3)])
dict(5)
dict('ab', c=1)
dict([([], 1)])
len(5)
len()
len(1, 2)
abs('a')
abs()
int('x')
int('')
int('1', 1)
int('9', 8)
int([])
int(None)
int('1', 'a')
int(1, 10)
float('x')
float([])
chr(-1)
chr(1114112)
chr('a')
ord('ab')
ord(5)
max([])
min()
max(1)
max(1, 'a')
max(xs, key=5)
sum(['a'])
sum('ab', '')
sum(5)
sum([[1]])
sum()
sum(1, 2, 3)
sum([1], begin=2)
sorted(5)
sorted([1, 'a'])
sorted(xs, 5)
sorted(xs, order=1)
list(5)
list(1, 2)
tuple(5)
set(5)
range('a')
range()
range(1, 2, 0)
range(1.5)
list(reversed(5))
reversed({1})
list(zip(1))
list(zip('ab', 'a', strict=True))
list(zip('a', 'ab', strict=True))
enumerate(5)
enumerate()
enumerate('a', 'b')
round('a')
round(1.5, 'a')
round(float('nan'))
bool(1, 2)
str(1, 2)
all(5)
any(1, 2)
divmod(1)
pow('a', 2)
pow(2, 2.5, 3)
'a'.join([1])
'a'.join(5)
'a'.join(['b', 1])
'abc'.index('z')
'abc'.rindex('z')
'abc'.split('')
'abc'.partition('')
'abc'.upper(1)
'a'.center('x')
'a'.center(5, 'xy')
'a'.ljust()
'a'.replace('a')
'a'.replace(1, 2)
'a'.startswith(1)
'a'.strip(1)
'a'.find()
'a'.split(sep=1)
'a'.split(foo=1)
'a'.zfill('1')
'a'.expandtabs('x')
'a'.removeprefix(1)
xs.index(99)
(1,).index(2)
range(3).index(9)
xs.count()
user.get()
user.get([])
user.items(1)
{1}.union(5)
{1}.issubset(1)
(5).bit_length(1)
(5).upper()
xs.upper()
'a'.items()
none.get('a')
{}.upper()
float('inf').as_integer_ratio()
[a for a, b in [1]]
[a for a, b in [(1,)]]
[a for a, b in [(1, 2, 3)]]
[a for a, *b, c in [(1,)]]
[x for x in 5]
[y for x in range(3) for y in y]
[x for y in xs for x in x]
[[z for _ in [1]] for a in [1] for z in [z]]
[*5]
(*5,)
{*5}
{**5}
{**[]}
len(*5)
len(**5)
len(**{'a': 1})
dict(**{'a': 1}, a=2)
dict(a=1, **{'a': 2})
dict(**{1: 2})
'a'.join(*5)
'%d' % 'a'
'%d %d' % 1
'%d' % (1, 2)
'%z' % 1
'%' % 1
'%(a)s' % 5
'%(a)s' % {'b': 1}
'%(a' % {}
'%*d' % ('a', 1)
'%c' % 'ab'
'%c' % -1
'x' % 1
f'{n:z}'
f'{s:d}'
f'{n:.2d}'
f'{xs:5}'
f'{none:5}'
f'{n:{s}}'
f'{1.5:d}'
f'{n:99999999999999999999}'
'%99999999999999999999d' % 1
1 +
(
)
1 2
x = 1
import os
def f(): pass
dict(a=1, a=2)
len(s=1, s=2)
'abc
{1: 2, 3}
[1, 2
f'{'
f'{1'
f'{}'
f'{1!x}'
*xs
**user
1..real..
1__0
0777
$
é é
None = 1
lambda
for x in y
'\\N{NO SUCH NAME}'
"\\x1"
""".strip("\n").split("\n") + ["", " ", "# nothing", "1\n2", "n;n", "a\0b", "\ufeff1"]

# What a rule refuses, by rule.
REFUSALS = {
    "eval.node": """
lambda: 0
(lambda x: x)(1)
sorted(xs, key=lambda x: -x)
(y := 5)
[y := 1, y]
[(y := x) for x in xs]
1 if flag else (yield)
(yield 1)
(yield from xs)
await n
[await x for x in xs]
[x async for x in xs]
(x async for x in xs)
n @ n
xs @ xs
b'bytes'
b'%d' % 1
...
[...]
[x for xs[0] in [1]]
[x for x[0] in [[1]]]
[0 for user['a'] in [1]]
sorted(rows, key=lambda r: r['v'])
max(xs, key=lambda x: x)
f'{(lambda: 0)()}'
f"{(lambda: 0)}"
{**{}, 'a': lambda: 0}
""",
    "eval.name": """
foo
__import__
__import__('os')
__builtins__
__name__
__debug__
__loader__
__spec__
open
open('/etc/passwd')
eval('1')
exec('1')
compile('1', '', 'eval')
globals()
locals()
vars()
dir()
type(1)
type('X', (), {})
getattr(1, '__class__')
setattr(xs, 'a', 1)
delattr(xs, 'a')
hasattr(xs, 'append')
object()
super()
classmethod(1)
property(1)
print(1)
input()
exit()
quit()
help()
breakpoint()
memoryview(xs)
bytes(10)
bytearray(10**10)
frozenset([1])
iter(xs)
next(iter(xs))
map(str, xs)
filter(None, xs)
slice(1)
id(1)
hash('a')
repr(1)
ascii('a')
format(1, '>10000000000')
isinstance(1, int)
issubclass(int, object)
callable(len)
bin(5)
hex(5)
oct(5)
complex(1)
Exception('x')
BaseException()
len
[len]
{'a': int}
str(len)
f'{len}'
int == int
len or 1
(len or str)(xs)
(int, str)
sorted(xs, reverse=len)
max(xs, default=len)
dict(keys=len)
[f for f in (len, str)]
getattr
ｏｐｅｎ('x')
__ımport__('os')
_
_x
[x for __x in xs]
[0 for __class__ in xs]
sorted(xs, key=type)
sorted(xs, key=open)
f'{os}'
f'{n:{os}}'
'%s' % os
xs[os]
1 or os
0 and __import__
""",
    "eval.attribute": """
().__class__
().__class__.__bases__[0].__subclasses__()
''.__class__.__mro__[1]
[].__class__
n.__class__
n.real
f.imag
(1j).real
s.upper
''.join.__self__
''.join.__call__('a')
[].append
[].append(1)
xs.append(1)
xs.extend([1])
xs.sort()
xs.pop()
xs.clear()
xs.insert(0, 1)
xs.remove(1)
xs.reverse()
user.pop('name')
user.update(a=1)
user.setdefault('a', 1)
user.clear()
user.fromkeys([1])
user.popitem()
{1}.add(2)
{1}.discard(1)
'{}'.format(1)
'{0.__class__}'.format(1)
'{0.__class__.__init__.__globals__}'.format(s)
'{a.b}'.format_map(user)
s.format(n)
s.format_map({})
s.encode()
s.encode('utf-7')
'a'.maketrans('a', 'b')
s.translate({})
(5).to_bytes(10**9, 'big')
(5).from_bytes
(5).numerator
(1.5).fromhex('0x1')
user.name
user.items.__self__
len.__self__
len.__module__
str.join
int.from_bytes(s, 'big')
dict.fromkeys(range(10**9))
str.format('{}', 1)
list.__init__
(x for x in xs).gi_frame
(x for x in xs).gi_frame.f_back.f_globals
(x for x in xs).gi_code
(x for x in xs).send(None)
(x for x in xs).throw(ValueError)
(x for x in xs).close()
[x for x in xs].__len__()
range(3).start
f'{().__class__}'
f'{s.__class__!r}'
[a for a in ().__class__]
[0 for xs.a in [1]]
{**user.__class__}
sorted(xs, key=str.lower)
max(words, key=s.count)
(1).__add__(2)
'a'.__format__('10')
user.__getitem__('name')
xs.__class__.__name__
none.__class__
flag.__class__
été.__class__
s.ｕｐｐｅｒ.__func__
s._upper()
s.__doc__
[].__reduce_ex__(2)
zip(xs).__next__()
reversed(xs).__setstate__(0)
""",
    "eval.call": """
n()
s()
xs[0]()
user['name']()
1()
'a'()
(1, 2)()
[1]()
{}()
len(xs)()
s.upper()()
(n or s)(xs)
[len for len in xs][0]()
[len(1) for len in xs]
[f(1) for f in xs]
f'{n()}'
(x for x in xs)()
(n if flag else s)()
f'{1}'()
str(x for x in xs)
str(zip(xs))
f'{zip(xs)}'
f'{(x for x in xs)!r}'
'%s' % (reversed(xs),)
str([enumerate(xs)])
""",
}

# Bombs, by the limit that stops them.
LIMITS = {
    "memory": """
9**9**9
9**9**9**9
10**10**10
2**262144
(-3)**10**7
n**10**9
pow(9, 9**9)
pow(10, 10**10)
pow(base=7, exp=10**8)
1 << 10**10
1 << 262144
n << 10**18
(1 << 262143) * 4
(10**70000) if False else 3**300000
int('f' * 10**6, 16)
int('1' * 10**7, 2)
'a' * 10**10
10**10 * 'a'
'a' * 10**18
s * 10**9
[0] * 10**9
[0] * 10**18
(0,) * 10**10
10**9 * [0]
xs * 10**9
[[0] * 10**5 for _ in range(10**5)]
['a' * 10**6 for _ in range(10**4)]
[xs * 10**5 for x in range(10**3)]
'a' * 10**6 * 10**3
('a' * 10**6).replace('a', 'b' * 10**6)
'abc'.replace('', 'x' * 10**8)
'a'.ljust(10**10)
'a'.rjust(10**10)
'a'.center(10**10)
'a'.center(10**10, 'b')
'a'.zfill(10**10)
'\t'.expandtabs(10**9)
('\t' * 10**4).expandtabs(10**5)
'\t'.expandtabs(tabsize=10**9)
('a' * 10**6).join('b' * 10**6)
('a' * 10**6).join(['', ''] * 1000)
','.join(['a' * 10**6] * 1000)
f'{1:>10000000000}'
f'{1:010000000000}'
f'{1.5:.1000000000f}'
f'{1:{10**10}}'
f'{1.5:.{10**9}f}'
f'{s:<{10**11}}'
f'{1:٣٣٣٣٣٣٣٣٣٣}'
f'{"a" * 10**6!r:>99999999}'
'%10000000000d' % 1
'%.1000000000f' % 1.5
'%.1000000000d' % 1
'%010000000000d' % 1
'%*d' % (10**10, 1)
'%-*d' % (-10**9, 1)
'%.*f' % (10**9, 1.5)
'%(a)10000000000d' % {'a': 1}
'%((a))9999999999s' % {'(a)': 1}
('%(a)s' * 100) % {'a': 'x' * 10**5}
[str(s * 1000) + str(x) for x in range(10**5)]
sum([[0] * 10**5] * 10**3, [])
sum(([0] * 10**5 for x in range(10**3)), [])
list('a' * 10**6)
('a ' * 10**6).split()
('a\\n' * 10**6).splitlines()
tuple('a' * 10**7)
set('a' * 10**7)
{**{}, 'a': 'x' * 10**8}
(s * 10**5)[:] + s * 10**6 * 100
[*'a' * 10**7]
str('é' * 10**7)
f'{"é" * 10**7!a}'
('ß' * 10**7).upper()
[[0] * 1000] * 10**9
xs + xs * 10**9
""",
    "cpu": """
[x for x in range(10**9)]
{x for x in range(10**9)}
{x: x for x in range(10**9)}
list(x for x in range(10**9))
sum(x for x in range(10**12))
[0 for a in range(10**4) for b in range(10**4)]
[[0 for a in range(10**4)] for b in range(10**4)]
[0 for a in range(99) for b in range(99) for c in range(99) for d in range(99)]
any(x < 0 for x in range(10**10))
all(x >= 0 for x in range(10**10))
any(range(-10**10, 0)) and all(range(1, 10**10))
all(range(1, 10**12))
-1 in (x for x in range(10**10))
0.5 in range(10**10)
'a' in range(10**12)
range(10**12).count(0.5)
range(10**12).index('a')
list(range(10**10))
tuple(range(10**10))
set(range(10**10))
sum(range(10**10))
max(range(10**10))
min(range(10**10))
sorted(range(10**10))
sorted('ab' * 10**6)
list(range(10**30))
[*range(10**10)]
(*range(10**10),)
{*range(10**10)}
max(*range(10**10))
''.join(range(10**10))
dict([range(10**10)])
dict(zip(range(10**9), range(10**9)))
list(zip(range(10**10), range(10**10)))
list(enumerate(range(10**10)))
list(reversed(range(10**10)))
{1}.union(range(10**10))
{1}.issubset(range(10**10))
{1}.isdisjoint(range(10**10))
[a for a, *b in [range(10**10)]]
[str(10**65000) for x in range(1000)]
[int('9' * 60000) for x in range(1000)]
[(10**60000) // (10**30000 + x) for x in range(10**4)]
pow(3, 10**60000, 10**60000 + 1)
pow(7, 2**262000, 2**262000 + 1)
round(10**65000, -64000) and [round(10**65000, -30000) for x in xs * 1000]
('a' * 10**6).rfind('b' + 'a' * 500000)
('a' * 10**6).rindex('b' + 'a' * 500000)
('a' * 10**6).rsplit('b' + 'a' * 500000)
('a' * 10**6).strip('b' * 10**5 + 'a')
['a' * 1000 in 'b' * 10**5 for x in range(10**5)]
[(x, x) in [(x, x + 1)] * 1000 for x in range(10**5)]
[s * 1000 for x in range(10**7) if s == 0]
('%(a)s' * 10**4) % {'a': 'x' * 10**4}
{(2**61 - 1) * x for x in range(10**5)}
{(2**61 - 1) * x: 0 for x in range(10**5)}
set([(2**61 - 1) * x for x in range(40000)])
dict([((2**61 - 1) * x, 0) for x in range(30000)])
{((2**61 - 1) * x,) for x in range(40000)}
{x - 1000003j * 0 + (x * 2**61 - x) for x in range(1)} and {(2**61 - 1) * x for x in range(2000)}
[x for x in [xs * 1000] * 10**4 if x == [0]] and [xs * 1000 == xs * 1000 for x in range(10**5)]
[sorted(words * 1000) for x in range(10**5)]
[e for e in [[[[[[[[[[xs] * 9] * 9] * 9] * 9] * 9] * 9] * 9] * 9] * 9] if str(e)]
[str(a) for a in [[b] * 99 for b in [[c] * 99 for c in [[d] * 99 for d in [[e] * 99 for e in [xs * 30]]]]]]
[a == a[:] for a in [[b] * 99 for b in [[c] * 99 for c in [[d] * 99 for d in [xs * 99]]]]]
f'{[[[[[[[[xs] * 9] * 9] * 9] * 9] * 9] * 9] * 9] * 9}'
'%s' % [[[[[[[[xs] * 9] * 9] * 9] * 9] * 9] * 9] * 9]
{((((((((1,) * 9,) * 9,) * 9,) * 9,) * 9,) * 9,) * 9,) * 9}
[[[[[[[[1] * 9] * 9] * 9] * 9] * 9] * 9] * 9] < [[[[[[[[1] * 9] * 9] * 9] * 9] * 9] * 9] * 9]
""",
}
LONG = {
    "depth": ["-" * 60000 + "1", "not " * 16000 + "1", "~" * 101 + "1", "[" * 101 + "]" * 101, "1**" * 20000 + "1",
              "1 if 1 else " * 5000 + "1", "1+" * 32000 + "1", "s" + ".strip()" * 101, "s" + "[0]" * 10000,
              "f" * 0 + "[x for x in " * 60 + "xs" + "]" * 60 + "+" + "-" * 101 + "1", "(1," * 101 + ")" * 101,
              "{1:" * 101 + "1" + "}" * 101, "len(" * 101 + "s" + ")" * 101],
    "ok": ["+".join(["1"] * 1000), "[" + "1," * 32000 + "]", "[" * 60 + "]" * 60, "1" + " " * 65000,
           "'" + "a" * 65000 + "'", "(" * 90 + "1" + ")" * 90, "1" + "<2" * 1 + " and 1" * 9000, "9" * 60000,
           "~" * 99 + "1", "+".join(f"'{c}'" for c in "abc" * 300)],
}
