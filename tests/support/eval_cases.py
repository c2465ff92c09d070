# SPDX-License-Identifier: Apache-2.0
"""Expressions whose value or error is compared with CPython's. CONTEXT holds the names that they may use."""

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
10**50 in range(0, 10**60, 5)
range(0, 10**60, 5)[7]
-9 >> 1
5 >> 10**30
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
max(zip(xs), 1)
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
range(5).count()
range(3).index()
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
