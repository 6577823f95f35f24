"""From raw values to internal ones (SEMANTICS section 2), and from those to text, JSON and public values.

Internal values: int64 and timestamp are int, float64 is float (never NaN, infinite or -0.0), boolean is bool,
text is str, decimal(s) is the int value x 10**s, vector(n) is a tuple of floats, null is None. Every function
here is asked once per type; the function it returns is called per value.
"""

from featuregraph.convert.literal import literal
from featuregraph.convert.numeric import BAD, Bad
from featuregraph.convert.public import changeable, is_public, owned, text_of, to_json_value, to_public
from featuregraph.convert.raw import converted, converter

__all__ = [
    "BAD",
    "Bad",
    "changeable",
    "converted",
    "converter",
    "is_public",
    "literal",
    "owned",
    "text_of",
    "to_json_value",
    "to_public",
]
