# SPDX-License-Identifier: Apache-2.0
"""Expressions that restricted eval must not answer, one a line, and those that are only long."""

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
dict(key=len)
dict(key=len)['key']
[dict(key=str)]
'a'.split(key=len)
sum(xs, key=len)
list(key=len)
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
[abs(y) for y in [-10**65000] for x in range(10**4)]
[y >> 1 for y in [10**65000] for x in range(10**4)]
[-y for y in [10**65000] for x in range(10**4)]
[y & y - 1 for y in [10**65000] for x in range(10**4)]
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
[str(range(10**60000)) for x in range(1000)]
[range(0, 10**65000, 10**32000 + 1) for x in range(10**4)]
[x in y for y in [range(0, 10**65000, 10**32000 + 1)] for x in range(10**4)]
[y[x] for y in [range(0, 10**65000, 10**32000 + 1)] for x in range(10**4)]
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
    "depth": ["-" * 60000 + "1", "not " * 16000 + "1", "~" * 101 + "1", "[" * 101 + "]" * 101,
              "1**" * 20000 + "1", "1 if 1 else " * 5000 + "1", "1+" * 32000 + "1",
              "s" + ".strip()" * 101, "s" + "[0]" * 10000,
              "[x for x in " * 60 + "xs" + "]" * 60 + "+" + "-" * 101 + "1", "(1," * 101 + ")" * 101,
              "{1:" * 101 + "1" + "}" * 101, "len(" * 101 + "s" + ")" * 101],
    "ok": ["+".join(["1"] * 1000), "[" + "1," * 32000 + "]", "[" * 60 + "]" * 60, "1" + " " * 65000,
           "'" + "a" * 65000 + "'", "(" * 90 + "1" + ")" * 90, "1" + "<2" * 1 + " and 1" * 9000, "9" * 60000,
           "~" * 99 + "1", "+".join(f"'{c}'" for c in "abc" * 300)],
}
