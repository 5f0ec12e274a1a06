"""What objects of an image are called in the texts of VCR."""

# How the data set calls people, in turn by the number of the object; one name
# comes twice.
PERSON_NAMES = (
  'Casey', 'Riley', 'Jessie', 'Jackie', 'Avery', 'Jaime', 'Peyton', 'Kerry',
  'Jody', 'Kendall', 'Peyton', 'Skyler', 'Frankie', 'Pat', 'Quinn',
)  # fmt: skip
_PERSON = 'person'


def spoken_name(category: str, number: int) -> str:
  """The word that stands in a text for an object.

  Args:
    category: of the object; `person` gets one of `PERSON_NAMES`.
    number: of the object in its image.
  """
  if category != _PERSON:
    return category
  return PERSON_NAMES[number % len(PERSON_NAMES)]
