"""What a sender means by a key: e-mail, name, phone, source; and which containers hold somebody else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from lib.clean_text import key_letters


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The fields of a contact that a key can stand for; the settings of a field mapping offer these.
FIELDS = ("email", "name", "first_name", "last_name", "phone", "source", "form", "ignore")

EMAIL_KEYS = _words(
    """email mail emailaddress mailaddress youremail useremail contactemail emails emailaddresses workemail
    businessemail customeremail inviteeemail subscriberemail leademail personemail primaryemail emailprimary
    correo correoelectronico courriel adressemail emailadresse mailadresse epost eposta emailadres indirizzoemail
    メール メールアドレス 邮箱 电子邮件 이메일"""
)
EMAIL_WORDS = _words(
    """email emails mail correo courriel epost eposta emailadresse mailadresse emailaddress メールアドレス"""
)
FULL_NAME_KEYS = _words(
    """fullname yourname contactname customername personname inviteename subscribername leadname clientname
    completename displayname namefull firstlast firstandlast firstandlastname nameandsurname vollstandigername
    nombrecompleto nomcomplet nomecompleto vorundnachname yourfullname membername attendeename recipientname
    guestname お名前 氏名 姓名 이름"""
)
NAME_KEYS = _words("""name names nombre nom nome naam navn namn imie 名前""")
NAME_FILLERS = _words(
    """name full your my the what is s contact customer client lead person invitee subscriber member attendee guest
    enter please type tell us first and last complete display buyer applicant respondent student patient donor
    field text input label q user billing shipping surname real preferred a"""
)
FIRST_NAME_KEYS = _words(
    """firstname first fname givenname given forename yourfirstname vorname prenom primernombre voornaam fornavn
    fornamn nomefirst namefirst contactfirstname customerfirstname billingfirstname userfirstname"""
)
LAST_NAME_KEYS = _words(
    """lastname last lname surname familyname family yourlastname nachname apellido apellidos nomdefamille cognome
    sobrenome achternaam etternavn efternamn namelast contactlastname customerlastname billinglastname
    userlastname"""
)
PHONE_KEYS = _words(
    """phone phonenumber phones mobile mobilephone mobilenumber tel telephone telephonenumber cell cellphone
    cellnumber whatsapp whatsappnumber handy handynummer telefon telefonnummer telefono telefone movil celular
    portable gsm contactnumber yourphone yourtel textremindernumber smsnumber phoneno mobileno telno telefoon 電話番号
    电话 手机 전화번호"""
)
PHONE_WORDS = _words(
    """phone phonenumber telephone tel mobile cell cellphone cellular whatsapp handy telefon telefono telefone movil
    celular"""
)
PHONE_OTHERWISE = _words(
    """type verified consent opt optin in allowed country code extension ext carrier os model platform device brand
    app plan permission status preferred time best"""
)
SOURCE_KEYS = _words(
    """source leadsource signupsource contactsource sourcename originalsource subscribersource signupform optinsource
    optinform acquisitionsource"""
)
FORM_KEYS = _words("""formname formtitle form formlabel namedesformulars nameofform""")

# Containers and key words of somebody who is not the contact.
STRANGER_WORDS = _words(
    """owner owners host hosts organizer organizers organiser organisers memberships creator assignee assignees
    assigned admin admins staff agent agents sender from reply replyto cc bcc author notification notifications
    notify referrer referred referral manager rep salesperson salesrep seller vendor merchant workspace colleague
    support guests invitedby emergency friend"""
)
STRANGER_KEYS = _words(
    """eventmemberships eventguests definition schema createdby updatedby modifiedby accountmanager salesrep
    owneremail hostemail fromemail replytoemail adminemail senderemail organizeremail creatoremail assignedto
    extendedassignedto siteowner formowner integration workflow zap webhook headers server ecommerceconfig
    formdefinition formschema fieldsdefinition"""
)
ENVELOPE_KEYS = _words(
    """event eventtype eventname eventid triggertype trigger formid formname siteid site submissionid submittedat
    webhookid hookid definition schema formresponse payload topic action object deliveryid resource type test"""
)
# The keys by which an envelope carries the person: what stands beside them is not the person's.
ENVELOPE_STEPS = _words(
    """payload data formresponse submission response body fields fielddata answers entry form event values d object
    usercolumndata namedvalues formdata rawrequest json record lead"""
)
PERSON_STEPS = _words(
    """contact contacts customer client person profile lead subscriber invitee attendee member user data fields
    fielddata answers attributes properties details info merges mergefields usercolumndata namedvalues values
    payload customfields questionsandanswers formdata customerdetails billing billingaddress billingdetails body
    json formresponse submission response entry object personal personaldetails personaldata contactdetails
    contactinfo"""
)
SECRET_LETTERS = (
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "googlekey",
    "authorization",
    "creditcard",
    "cardnumber",
    "cvv",
)

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=4096)
def words_of(key: str) -> tuple[str, ...]:
    """The words of a key: `q3_yourEmail` gives `q, your, email`."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", key)).replace("e-mail", "email").replace("E-mail", "email")
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
    return tuple(_WORD.findall(plain.replace("e-mail", "email")))


@lru_cache(maxsize=4096)
def field_of(key: str) -> str | None:
    """The field that a key stands for: email, full_name, name, first_name, last_name, phone, source, form, or None.

    `full_name` is certain, `name` may be the name of anything. Somebody else's fields are None.
    """
    letters = key_letters(key)
    if is_stranger(key):
        return None
    for field, keys in _EXACT:
        if letters in keys:
            return field
    words = set(words_of(key))
    if words & EMAIL_WORDS or letters.endswith(("email", "emailaddress")) or letters.startswith("email"):
        return "email"
    if words & PHONE_WORDS and not words & PHONE_OTHERWISE:
        return "phone"
    if "name" in words and words <= NAME_FILLERS:
        return _kind_of_name(words)
    return None


def _kind_of_name(words: set[str]) -> str:
    if "first" in words and "last" not in words:
        return "first_name"
    if ("last" in words and "first" not in words) or ("surname" in words and "first" not in words):
        return "last_name"
    return "name" if words <= {"name", "q", "field", "input", "text", "label"} else "full_name"


def is_certain_email(key: str) -> bool:
    """Whether a key is an e-mail's own name and not just something about e-mail."""
    return key_letters(key) in EMAIL_KEYS


@lru_cache(maxsize=4096)
def is_stranger(key: str) -> bool:
    """Whether what stands under a key belongs to somebody else: owner, host, organizer, a form's definition."""
    return key_letters(key) in STRANGER_KEYS or any(word in STRANGER_WORDS for word in words_of(key))


def is_secret(key: str) -> bool:
    """Whether a key names something that must not be kept with a contact."""
    letters = key_letters(key)
    return any(secret in letters for secret in SECRET_LETTERS)


def mapped_field(key: str, mapping: Mapping[str, str]) -> str | None:
    """The field by the owner's own mapping (key_letters → field), which is always right, else by the key."""
    field = mapping.get(key_letters(key)) if mapping else None
    if field:
        return "full_name" if field == "name" else field
    return field_of(key)


_EXACT = (
    ("email", EMAIL_KEYS),
    ("full_name", FULL_NAME_KEYS),
    ("name", NAME_KEYS),
    ("first_name", FIRST_NAME_KEYS),
    ("last_name", LAST_NAME_KEYS),
    ("phone", PHONE_KEYS),
    ("source", SOURCE_KEYS),
    ("form", FORM_KEYS),
)
