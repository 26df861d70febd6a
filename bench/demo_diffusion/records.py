"""Records: notes and the JSON objects that they say, under six schemas: what the embedded diffusion model was taught.

A note says every field of its object in one of some orders and wordings, so that what is right can be counted field by
field. Half of the surnames, streets and firms are made of syllables: they have to be copied, not recalled.

    >>> record = next(records(seed=1))
    >>> record.prompt
    'order: Victor Gamu orders 8 kettles and 26 mirrors. Payment by cash. It can wait. ->'
    >>> record.answer
    '{"customer":"Victor Gamu","items":[{"product":"kettle","quantity":8},{"product":"mirror","quantity":26}],...'
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["SCHEMAS", "Record", "records"]

LANGUAGES = ("English", "French", "German", "Spanish", "Italian", "Polish", "Swahili", "Hindi")
PRODUCTS = ("lamp", "chair", "table", "vase", "rug", "clock", "mirror", "kettle", "shelf", "pillow")
PAYMENTS = ("card", "cash", "transfer")
SKIES = ("clear", "cloudy", "rain", "snow", "fog", "storm")
WINDS = ("north", "east", "south", "west")
WORKS = ("design", "printing", "repairs", "translation", "transport", "cleaning", "advice", "training")
CURRENCIES = ("EUR", "USD", "GBP", "CHF")
ROOMS = ("single", "double", "suite")


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": [*properties], "additionalProperties": False,
    }  # fmt: skip


def _list(items: dict[str, Any], most: int = 3) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


_TEXT = {"type": "string"}
_YES = {"type": "boolean"}
_DATE = {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"}
_MONEY = {"type": "number", "minimum": 0, "maximum": 9999}


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


SCHEMAS: dict[str, dict[str, Any]] = {
    "person": _object(
        name=_TEXT,
        age=_whole(0, 120),
        address=_object(street=_TEXT, city=_TEXT),
        languages=_list({"enum": [*LANGUAGES]}),
        employed=_YES,
    ),
    "order": _object(
        customer=_TEXT,
        items=_list(_object(product={"enum": [*PRODUCTS]}, quantity=_whole(1, 99))),
        payment={"enum": [*PAYMENTS]},
        express=_YES,
    ),
    "event": _object(
        title=_TEXT,
        date=_DATE,
        time={"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        city=_TEXT,
        guests=_list(_TEXT),
        online=_YES,
    ),
    "weather": _object(
        city=_TEXT,
        degrees=_whole(-40, 50),
        sky={"enum": [*SKIES]},
        wind=_object(direction={"enum": [*WINDS]}, speed=_whole(0, 200)),
        warning=_YES,
    ),
    "invoice": _object(
        number={"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
        client=_TEXT,
        lines=_list(_object(work={"enum": [*WORKS]}, amount=_MONEY)),
        currency={"enum": [*CURRENCIES]},
        paid=_YES,
    ),
    "booking": _object(
        guest=_TEXT,
        hotel=_object(name=_TEXT, city=_TEXT),
        nights=_whole(1, 30),
        rooms=_list({"enum": [*ROOMS]}, 2),
        breakfast=_YES,
    ),
}
"""By the word that a prompt begins with."""


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    """
    Ada Alan Alice Amir Anna Arun Ben Bruno Carla Chen Clara Daniel David Dora Edith Elena Emil Emma Eva Felix
    Fatima Frank Grace Hana Hans Helen Hugo Ida Igor Ines Ivan Jan Jane Joan John Julia Karl Kenji Kira Lara Leo
    Lina Lucas Lucy Maria Mark Marta Max Mia Milan Mona Nadia Nina Noah Nora Olga Omar Oscar Otto Paul Peter Petra
    Rosa Ruth Sami Sara Sofia Tariq Thomas Tom Uma Vera Victor Wanda Yara Yusuf Zoe
    """
)
LAST = _words(
    """
    Adams Bauer Becker Brown Carter Clark Cohen Costa Diaz Dubois Evans Fischer Garcia Gupta Hall Hansen Harris Hill
    Ito Jensen Jones Kaya Keller Khan Kim King Klein Kovac Larsen Lee Lopez Lovelace Martin Meyer Miller Moreau Mori
    Nagy Novak Olsen Owens Park Patel Petrov Reed Rossi Roth Santos Sato Schmidt Silva Singh Smith Suzuki Tanaka
    Taylor Turner Wagner Walker Weber White Wilson Wolf Wright Young
    """
)
CITIES = _words(
    """
    Amsterdam Athens Barcelona Berlin Bern Boston Bristol Cairo Chicago Copenhagen Delhi Dublin Geneva Hamburg
    Helsinki Istanbul Kyoto Leeds Lima Lisbon London Lyon Madrid Milan Munich Nairobi Naples Osaka Oslo Oxford Paris
    Porto Prague Rome Seattle Seville Stockholm Sydney Tokyo Toronto Turin Vienna Warsaw York Zurich
    """
)
TREES = _words(
    """
    Mill Church Station Park Elm Oak King Queen Bridge Castle Garden Market River School Spring Victoria
    """
)
TOPICS = _words(
    """
    Jazz Poetry Robotics Chess Garden Film Ceramics History Physics Opera Climate Cooking Dance Design
    """
)
MONTHS = _words(
    """
    January February March April May June July August September October November December
    """
)
ROADS = ("Street", "Road", "Lane", "Avenue", "Square")
EVENTS = ("Night", "Workshop", "Meeting", "Festival", "Lecture", "Fair")
FIRMS = ("Ltd", "Group", "Partners", "Labs", "Works")
HOTELS = ("Grand", "Royal", "Garden", "Central", "Park", "Harbour", "Old Town")
_SYLLABLES = [first + vowel for first in "bcdfgklmnprstvz" for vowel in "aeiou"] + ["an", "el", "is", "on", "ur"]


@dataclass(frozen=True, slots=True)
class Record:
    """A note, and what it says."""

    kind: str
    prompt: str
    value: dict[str, Any]

    @property
    def answer(self) -> str:
        """The object as text, as short as JSON is."""
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":"))


def records(seed: int) -> Iterator[Record]:
    """Records without end, the same ones for the same seed."""
    dice = random.Random(seed)
    while True:
        kind = dice.choice([*_NOTES])
        value, parts = _NOTES[kind](dice)
        yield Record(kind, f"{kind}: {' '.join(parts)} ->", value)


def _made_up(dice: random.Random) -> str:
    return "".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4))).capitalize()


def _person_name(dice: random.Random) -> str:
    return f"{dice.choice(FIRST)} {dice.choice(LAST) if dice.random() < 0.5 else _made_up(dice)}"


def _and(words: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _some(dice: random.Random, words: Sequence[str], most: int = 3) -> list[str]:
    return dice.sample([*words], dice.randint(1, most))


def _say(dice: random.Random, head: Sequence[str], *others: Sequence[str]) -> list[str]:
    """One wording of the first sentence, then one of each of the others in any order."""
    rest = [dice.choice(other) for other in others]
    dice.shuffle(rest)
    return [dice.choice(head), *rest]


_Note = tuple[dict[str, Any], list[str]]


def _person(dice: random.Random) -> _Note:
    name, age, city = _person_name(dice), dice.randint(1, 99), dice.choice(CITIES)
    street = dice.choice(TREES) if dice.random() < 0.5 else _made_up(dice)
    street = f"{dice.randint(1, 199)} {street} {dice.choice(ROADS)}"
    languages, employed = _some(dice, LANGUAGES), dice.random() < 0.5
    value = {
        "name": name, "age": age, "address": {"street": street, "city": city}, "languages": languages,
        "employed": employed,
    }  # fmt: skip
    job = (
        ("Has a job.", "Is employed.", "Works full time.")
        if employed
        else ("Has no job.", "Is out of work.", "Is not employed.")
    )
    return value, _say(
        dice,
        (f"{name}, {age} years old.", f"{name} is {age}.", f"This is {name}, aged {age}."),
        (f"Lives at {street} in {city}.", f"Home: {street}, {city}.", f"The address is {street} in {city}."),
        (f"Speaks {_and(languages)}.", f"Languages: {', '.join(languages)}."),
        job,
    )


def _plural(count: int, thing: str) -> str:
    if count == 1:
        return f"a {thing}"
    return f"{count} {'shelves' if thing == 'shelf' else thing + 's'}"


def _order(dice: random.Random) -> _Note:
    customer = _person_name(dice)
    items = [(thing, 1 if dice.random() < 0.3 else dice.randint(2, 40)) for thing in _some(dice, PRODUCTS)]
    payment, express = dice.choice(PAYMENTS), dice.random() < 0.5
    value = {
        "customer": customer, "items": [{"product": thing, "quantity": count} for thing, count in items],
        "payment": payment, "express": express,
    }  # fmt: skip
    things = _and([_plural(count, thing) for thing, count in items])
    how = (
        ("It is urgent.", "Send it express.", "Needed tomorrow.")
        if express
        else ("No hurry.", "Standard delivery.", "It can wait.")
    )
    return value, _say(
        dice,
        (f"{customer} would like {things}.", f"{customer} orders {things}.", f"Please send {things} to {customer}."),
        (f"Payment by {payment}.", f"Pays by {payment}.", f"Will pay with {payment}."),
        how,
    )


def _event(dice: random.Random) -> _Note:
    title = f"{dice.choice(TOPICS)} {dice.choice(EVENTS)}"
    year, month, day = dice.randint(2020, 2039), dice.randint(1, 12), dice.randint(1, 28)
    hour, minute = dice.randint(0, 23), dice.randint(0, 59)
    city, guests, online = (
        dice.choice(CITIES),
        [_person_name(dice) for _ in range(dice.randint(1, 3))],
        dice.random() < 0.5,
    )
    value = {
        "title": title, "date": f"{year}-{month:02}-{day:02}", "time": f"{hour:02}:{minute:02}", "city": city,
        "guests": guests, "online": online,
    }  # fmt: skip
    where = (
        ("Streamed online.", "There is a live stream.", "One can join online.")
        if online
        else ("In person only.", "No stream.", "Not online.")
    )
    return value, _say(
        dice,
        (
            f"{title} on {day} {MONTHS[month - 1]} {year} in {city}.",
            f"{MONTHS[month - 1]} {day}, {year}: {title}, {city}.",
        ),
        (f"Starts at {hour}:{minute:02}.", f"Doors open at {hour:02}:{minute:02}.", f"From {hour:02}.{minute:02} on."),
        (f"With {_and(guests)}.", f"Guests: {', '.join(guests)}.", f"{_and(guests)} will be there."),
        where,
    )


def _weather(dice: random.Random) -> _Note:
    city, degrees, sky = dice.choice(CITIES), dice.randint(-25, 42), dice.choice(SKIES)
    direction, speed, warning = dice.choice(WINDS), dice.randint(0, 120), dice.random() < 0.5
    value = {
        "city": city, "degrees": degrees, "sky": sky, "wind": {"direction": direction, "speed": speed},
        "warning": warning,
    }  # fmt: skip
    looks = {
        "clear": ("Not a cloud.", "Clear sky.", "Sunny all day."),
        "cloudy": ("Many clouds.", "Cloudy.", "Overcast."),
        "rain": ("Rain.", "It is raining.", "Wet all day."),
        "snow": ("Snow.", "It is snowing.", "White streets."),
        "fog": ("Fog.", "Foggy.", "Nothing to be seen in the mist."),
        "storm": ("Storm.", "Stormy.", "Thunder and lightning."),
    }
    below = f"{-degrees} degrees below zero" if degrees < 0 else f"{degrees} degrees"
    told = (
        ("A warning is out.", "Warning issued.", "People are warned.")
        if warning
        else ("No warning.", "No danger.", "Nobody is warned.")
    )
    return value, _say(
        dice,
        (f"{city}, {below}.", f"It is {below} in {city}.", f"{city}: {degrees} C."),
        looks[sky],
        (
            f"Wind from the {direction} at {speed} km/h.",
            f"{speed} km/h {direction} wind.",
            f"Wind {direction}, {speed}.",
        ),
        told,
    )


def _invoice(dice: random.Random) -> _Note:
    number = f"{''.join(dice.choices('ABCDEFGHJKLMNPRSTUVWXYZ', k=2))}-{dice.randint(0, 9999):04}"
    client = f"{dice.choice(LAST) if dice.random() < 0.5 else _made_up(dice)} {dice.choice(FIRMS)}"
    lines = [
        (work, f"{dice.randint(1, 2500)}.{dice.choice(['00', '50', f'{dice.randint(0, 99):02}'])}")
        for work in _some(dice, WORKS)
    ]
    currency, paid = dice.choice(CURRENCIES), dice.random() < 0.5
    value = {
        "number": number, "client": client,
        "lines": [{"work": work, "amount": float(amount)} for work, amount in lines], "currency": currency,
        "paid": paid,
    }  # fmt: skip
    done = (
        ("Already paid.", "It is settled.", "Paid in full.")
        if paid
        else ("Still open.", "Not yet paid.", "Payment is due.")
    )
    return value, _say(
        dice,
        (f"Invoice {number} to {client}.", f"{client} gets invoice {number}.", f"No. {number}, client {client}."),
        (
            f"For {_and([f'{work} {amount}' for work, amount in lines])}, in {currency}.",
            f"{', '.join(f'{work}: {amount} {currency}' for work, amount in lines)}.",
        ),
        done,
    )


def _booking(dice: random.Random) -> _Note:
    guest, city, nights = _person_name(dice), dice.choice(CITIES), dice.randint(1, 21)
    hotel = f"{dice.choice(HOTELS)} Hotel" if dice.random() < 0.5 else f"Hotel {_made_up(dice)}"
    rooms, breakfast = _some(dice, ROOMS, 2), dice.random() < 0.5
    value = {
        "guest": guest, "hotel": {"name": hotel, "city": city}, "nights": nights, "rooms": rooms,
        "breakfast": breakfast,
    }  # fmt: skip
    stay = "one night" if nights == 1 else f"{nights} nights"
    beds = _and([f"a {room}" if room == "suite" else f"a {room} room" for room in rooms])
    food = (
        ("With breakfast.", "Breakfast included.", "Wants breakfast.")
        if breakfast
        else ("No breakfast.", "Without breakfast.", "Room only.")
    )
    return value, _say(
        dice,
        (
            f"{guest} stays {stay} at {hotel} in {city}.",
            f"{hotel}, {city}, {stay} for {guest}.",
            f"Booked: {hotel} in {city}, {stay}, guest {guest}.",
        ),
        (f"{beds[0].upper()}{beds[1:]}.", f"Needs {beds}.", f"Rooms: {', '.join(rooms)}."),
        food,
    )


_NOTES: dict[str, Callable[[random.Random], _Note]] = {
    "person": _person, "order": _order, "event": _event, "weather": _weather, "invoice": _invoice, "booking": _booking,
}  # fmt: skip
