"""What the tea house writes about: the words of posts, articles, pictures and dates. Words only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Something to say in one post; it fits every network."""

    text: str
    path: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """An article: its title, what search results say of it, its sections and a question with its answer."""

    title: str
    description: str
    sections: tuple[tuple[str, str], ...]
    question: str
    answer: str


@dataclass(frozen=True)
class Card:
    """A picture that LUX draws: its words, and how they are laid out."""

    name: str
    headline: str
    sub: str
    call: str
    layout: str
    palette: str


TOPICS = (
    Topic("Water for green tea should not boil. Eighty degrees and two minutes, and the leaf stays sweet.",
          "guides/green", ("#greentea",)),
    Topic("The same oolong leaf gives five cups. The third is the one that we wait for.", "guides/oolong",
          ("#oolong", "#looseleaf")),
    Topic("Mr. Ito has picked the same slope for forty years. This spring he let us carry a basket.", "stories/ito",
          ("#harvest",)),
    Topic("Is your tea bitter? It is rarely the leaf. Try cooler water first, then less time.", "guides/bitter",
          ("#tea",)),
    Topic("The first flush from Darjeeling is here: light in the cup, and gone by summer.", "harvest",
          ("#darjeeling", "#harvest")),
    Topic("Three ways to serve iced tea in a café without a machine. All of them fit on one card.", "wholesale/iced",
          ("#cafe", "#icedtea")),
    Topic("White tea is the plainest tea there is: picked, laid out, dried. Nothing else happens to it.",
          "guides/white", ("#whitetea",)),
    Topic("We visited 31 estates this year. We bought from nine of them. Here is how we choose.", "stories/choosing",
          ("#tea", "#harvest")),
    Topic("A tin keeps out light, air and the smell of coffee. That is all that tea asks of a cupboard.",
          "guides/keeping", ("#looseleaf",)),
    Topic("How much leaf is two grams? A heaped teaspoon of black tea, a whole tablespoon of white.", "guides/measure",
          ("#tea",)),
    Topic("Black tea with milk wants three minutes and real heat. The Assam of this autumn takes both.",
          "shop/assam", ("#blacktea",)),
    Topic("Nettle, lemon balm, mint: what grows behind our warehouse is in the new herbal blend.", "shop/herbal",
          ("#herbaltea",)),
    Topic("“A tea list that my guests read to the end.” How Harbour Café went from four teas to eleven.",
          "wholesale/harbour", ("#cafe",)),
    Topic("There is caffeine in every true tea, white and green included. How much depends on the leaf and on you.",
          "guides/caffeine", ("#tea", "#caffeine")),
    Topic("Sencha is steamed, longjing is pan-fired. Put the two side by side, and you taste what fire does.",
          "guides/fire", ("#greentea",)),
    Topic("Delivery is free from 40, and every tin goes back and forth for as long as it closes.", "shop",
          ("#looseleaf",)),
)  # fmt: skip

ARTICLES = (
    Piece(
        "How to brew green tea so that it stays sweet",
        "Water at 80 °C, two minutes and a spoon: how green tea tastes as it should, and what to do when it is bitter.",
        (
            ("The water", "Green tea does not like boiling water. Let the kettle stand open for **three minutes**, or "
             "add a splash of cold water to the pot. At 80 °C the leaf gives its sweetness first and its bitterness "
             "late, which leaves you time."),
            ("The leaf", "A heaped teaspoon for a small pot is enough. Give the leaves room: in a narrow egg of wire "
             "they cannot open, and what does not open does not taste.\n\n- Small pot: one spoon\n- Large pot: two "
             "spoons\n- A café's jug: eight grams for a litre"),
            ("The time", "Two minutes for the first cup, one for the second, two again for the third. Pour all of it "
             "out each time. Leaves that swim on become bitter, and no honey helps then."),
            ("When it is bitter all the same", "Try cooler water before you buy other tea. If that does not help, use "
             "less leaf, then less time, in this order. Most of the teas that people send back to us were brewed too "
             "hot, and we are glad to send a card with the three numbers that matter."),
        ),
        "May the water ever boil?",
        "For black tea and for herbs, yes. For green, white and yellow tea, no.",
    ),
    Piece(
        "How we choose nine estates out of thirty-one",
        "What we look at on a tea estate before we buy: the leaf, the books, the people, and the cup at the end.",
        (
            ("The leaf in the hand", "We come in the week of the picking. Whoever comes later sees tea; whoever comes "
             "then sees how it is made. Two leaves and a bud, picked by hand, are still the surest sign."),
            ("The books", "We ask what pickers earned last month and look at the list. Most estates show it. Those "
             "who do not are not among our nine."),
            ("The cup", "Forty cups stand on a table, without names. Four of us go round and write down one word "
             "each. What has the same word four times is bought."),
            ("What we leave behind", "Twenty-two estates made good tea this year that we did not take. Some was too "
             "dear for what it was, some was promised elsewhere, and some was simply too much like what we have."),
        ),
        "Do you publish whom you buy from?",
        "Yes. The estate stands on every tin, with the week of the picking.",
    ),
    Piece(
        "Iced tea for a café, in three ways",
        "Cold brew, poured over ice, or from a syrup: three ways to serve iced tea without a machine, with amounts.",
        (
            ("Overnight, in the fridge", "Ten grams of leaf for a litre of cold water, eight hours, strained in the "
             "morning. It is clear, mild and keeps for two days. Green and white teas are at their best like this."),
            ("Hot over ice", "Brew double strength, and pour it over a glass that is full of ice. It takes four "
             "minutes and suits black tea, which wants heat first."),
            ("From a syrup", "Sugar, water and strong tea in equal parts, cooked for ten minutes. It keeps for two "
             "weeks, and a spoon of it with sparkling water is a drink that nobody else in the street has."),
            ("What it costs", "A glass takes two to three grams of leaf. Guests pay for it what they pay for a "
             "lemonade, and they ask where the tea is from."),
        ),
        "Which tea do most cafés take for it?",
        "Our Assam for the black one and sencha for the green one.",
    ),
    Piece(
        "How much caffeine is in which tea",
        "White, green, black, herbal: what decides how awake a cup makes you, and how to have less of it.",
        (
            ("All true tea has some", "White, green, oolong and black come from the same plant. A cup has between a "
             "third and two thirds of what is in a cup of coffee."),
            ("What decides it", "Young leaves have more than old ones, broken leaves give it off faster, and hot "
             "water takes out more than warm water. Colour says nothing about it."),
            ("How to have less", "Brew shorter and cooler, or pour the first half minute away. What is left tastes "
             "of tea and lets you sleep a little better."),
        ),
        "Is herbal tea free of it?",
        "Ours is. Mate and guayusa are herbs too, and they have plenty.",
    ),
    Piece(
        "How to keep tea fresh for a year",
        "Light, air, damp and smells are what tea fears. A tin in a dark cupboard solves all four.",
        (
            ("The four enemies", "Light bleaches it, air flattens it, damp spoils it, and smells move in. Glass jars "
             "on a sunny shelf have three of the four."),
            ("How long it lasts", "Green tea is best within a year of the picking, black tea within two. Dark oolong "
             "may even gain from waiting."),
        ),
        "May I put it into the fridge?",
        "Only unopened. An opened tin draws damp as soon as it is warm again.",
    ),
    Piece("A tea list that guests read to the end", "", (), "", ""),
)  # fmt: skip

CARDS = (
    Card("First flush", "The first flush is here", "Light in the cup, and gone by summer", "See the harvest", "orbit",
         "night"),
    Card("Green tea stays sweet", "80 °C and two minutes", "How green tea stays sweet", "Read the guide", "panel",
         "paper"),
    Card("Iced tea for cafés", "Iced tea without a machine", "Three ways that fit on one card", "Get the card", "hills",
         "bold"),
    Card("Nine estates", "31 visited, nine chosen", "How we buy tea", "Read the story", "poster", "ink"),
)  # fmt: skip

# What is on the calendar besides: the title, in how many days it begins, how many days it lasts.
DATES = (
    ("Autumn picking in Darjeeling", -40, 12, "Two of us are there. Send questions by the evening."),
    ("Tea fair", -12, 3, "Stand 4, hall B. The scanner for sign-ups is in the blue box."),
    ("Stocktaking", 6, 1, "No shipping on this day; the shop says so by itself."),
    ("Tasting evening in the warehouse", 16, 1, "24 places. The invitation goes to customers first."),
    ("Winter blend is in the shop", 23, 1, ""),
    ("Closed between the years", 38, 5, "Orders wait until we are back."),
)
