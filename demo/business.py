"""The business of the demo: a tea house with a shop, a newsletter and wholesale customers. Words only."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.brand import BrandLink, BrandValues

FIRST_NAMES = (
    "Ada", "Ben", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Ines", "Jonas", "Kavya", "Liam", "Maya", "Noor",
    "Oscar", "Priya", "Quinn", "Rosa", "Samir", "Tess", "Uma", "Viktor", "Wen", "Ximena", "Yusuf", "Zoë", "Anna",
    "Luca", "Sofia", "Mateo", "Emma", "Noah", "Mila", "Leo", "Aylin", "Tomás", "Freya", "Kofi", "Hana", "Pavel",
)  # fmt: skip
LAST_NAMES = (
    "Achebe", "Berg", "Costa", "Diaz", "Eriksen", "Fischer", "Gomez", "Haas", "Ito", "Jansen", "Kaya", "Lindqvist",
    "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Ueda", "Vogel", "Weiss", "Xu", "Yilmaz",
    "Zimmer", "Brown", "Smith", "Taylor", "Silva",
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net")
CITIES = ("Lisbon", "Leeds", "Berlin", "Austin", "Nairobi", "Osaka", "Lyon", "Toronto", "Madrid", "Graz")
# A wholesale customer is one of these and a name.
COMPANIES = ("Café", "Hotel", "Bookshop", "Yoga House", "Bakery", "Tea Room", "Studio", "Guest House")
# Area codes; the numbers after them begin with 555, which rings nowhere.
AREAS = ("202", "303", "312", "415", "503", "512", "602", "617", "702", "713", "808", "919")
# The first of a source's share is where the shares before it end; the last ends at 1.
SOURCES = (("Newsletter", 0.42), ("Shop checkout", 0.72), ("Website form", 0.86), ("Facebook lead ad", 0.93),
           ("Tea fair 2026", 0.97), ("Wholesale enquiry", 1.0))  # fmt: skip
TEAS = ("green", "black", "oolong", "white", "herbal")

BRAND = BrandValues(
    company="Lumen Tea",
    voice="Warm, precise, a little dry. We explain where a tea comes from and let people decide.",
    audience="People who drink loose-leaf tea at home, and cafés that serve it.",
    offer="Single-estate teas, fresh from this year's harvest, with free delivery from 40.",
    words_to_use=["harvest", "leaf", "cup", "estate"],
    words_to_avoid=["detox", "superfood", "miracle"],
    links=[
        BrandLink("The shop", "https://lumen.example/shop"),
        BrandLink("This year's harvest", "https://lumen.example/harvest"),
    ],
    proof_points=["31 estates visited this year", "4.8 of 5 from 2,140 reviews"],
    website="https://lumen.example",
)


@dataclass(frozen=True)
class Audience:
    """A segment of the demo."""

    name: str
    rules: tuple[dict[str, str], ...]


AUDIENCES = (
    Audience("Newsletter readers", ({"field": "source", "operator": "is", "value": "Newsletter"},)),
    Audience("Customers", ({"field": "source", "operator": "is", "value": "Shop checkout"},)),
    Audience("Green tea lovers", ({"field": "attribute.favourite", "operator": "is", "value": "green"},)),
    Audience("Wholesale", ({"field": "source", "operator": "is", "value": "Wholesale enquiry"},)),
)
# Those whom no campaign of the year went to.
FURTHER_AUDIENCES = (
    Audience("Friends of the house", ({"field": "tag", "operator": "has", "value": "vip"},)),
    Audience("Clicked in the last 30 days", ({"field": "clicked", "operator": "within_days", "value": "30"},)),
)


@dataclass(frozen=True)
class Mailing:
    """One kind of campaign: its words, and how its readers behave (shares of those who got it)."""

    subject: str
    headline: str
    text: str
    label: str
    path: str
    opened: float
    clicked: float


NEWSLETTERS = (
    Mailing("What the spring harvest brought", "The first leaves are here",
            "The estates in Shizuoka finished picking on Sunday. Three teas made it to us.", "See the harvest",
            "harvest", 0.34, 0.041),
    Mailing("How to brew oolong without a scale", "Two fingers of leaf",
            "You need a small pot, hot water and your nose. Here is how we do it.", "Read the guide", "guides/oolong",
            0.38, 0.055),
    Mailing("Three teas for short days", "Dark, round, warming", "November wants something with weight.",
            "Find yours", "shop/winter", 0.31, 0.036),
    Mailing("The estate behind your cup", "A visit to Mr. Ito", "He has picked the same slope for forty years.",
            "Read the story", "stories/ito", 0.36, 0.03),
)  # fmt: skip
OFFERS = (
    Mailing("{{first_name|Hello}}, free delivery until Sunday", "Free delivery until Sunday",
            "No code needed. It is taken off at the checkout.", "Go to the shop", "shop", 0.29, 0.06),
    Mailing("Your green tea is fresh again", "This year's sencha",
            "Picked in May, in your cup in November. {{first_name|You}} had it before.", "Order sencha",
            "shop/sencha", 0.41, 0.083),
)  # fmt: skip
WHOLESALE = (
    Mailing(
        "The price sheet for the next quarter",
        "Prices until spring",
        "Two teas became dearer, five cheaper.",
        "See the sheet",
        "wholesale/prices",
        0.52,
        0.14,
    ),
    Mailing(
        "Iced tea for your card",
        "Three ways, no machine",
        "Amounts for a litre, and what a glass costs you.",
        "Get the card",
        "wholesale/iced",
        0.47,
        0.11,
    ),
)
# Name, audience and words of what has not gone out; without an audience somebody has yet to choose one.
COMING = (
    ("Invitation: tasting evening", "Friends of the house",
     Mailing("{{first_name|Hello}}, an evening with eleven teas", "Come and taste",
             "24 places in the warehouse, eleven teas, no slides. We begin at seven.", "Take a place", "tasting", 0,
             0)),
    ("Winter blend is here", "Customers",
     Mailing("The winter blend is in the shop", "Dark, round, with a little smoke",
             "Assam, a spoon of Lapsang and orange peel that we dried ourselves.", "See the blend", "shop/winter",
             0, 0)),
    ("Thank you for a good year", "",
     Mailing("Thank you", "A good year", "What became of 31 estates and your questions.", "Read on", "stories/year", 0,
             0)),
)  # fmt: skip
