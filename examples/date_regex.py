"""A text that matches a regular expression as a whole."""

import gcd

DATE = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

generation = gcd.generate("smollm2", "The first moon landing took place on (ISO date): ", regex=DATE, temperature=0)
print(generation.text)
