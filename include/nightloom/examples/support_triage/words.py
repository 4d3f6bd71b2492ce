"""Words: the templates, cues and slots of the example's tickets."""

TEMPLATES: dict[str, tuple[str, ...]] = {
    "billing": (
        "The invoice for order {order} shows {amount} although the quote said {amount2}.",
        "My card was charged {amount} twice for the {product}.",
        "I paid invoice {order} on {day}, but the statement still lists {amount} as open.",
        "The tax on the bill for the {product} was calculated at the wrong rate.",
        "We were billed {amount} for {count} units of the {product} that were never booked.",
        "The payment of {amount} by bank transfer from {day} does not appear on our invoice account.",
        "Our purchase number is missing on invoice {order}, so accounting refuses to pay the bill.",
        "Please correct the billing address on the invoice for the {product} to our {place} office.",
        "The receipt for {amount} never came, and I need it to settle the bill for the {product}.",
        "A late payment fee of {amount} was put on our bill, but invoice {order} was paid on {day}.",
    ),
    "shipping": (
        "The parcel with the {product} should have arrived on {day} and the tracking has not moved since.",
        "The courier left the package for order {order} at the wrong address in {place}.",
        "Tracking says order {order} was delivered on {day}, but no parcel has reached us.",
        "The delivery of {count} boxes to {place} was split and one package is still missing.",
        "Can the shipment of the {product} be sent by express courier to {place}?",
        "The carrier tried to deliver the {product} on {day} when nobody was at the {place} office.",
        "I would like to know when the parcel for order {order} leaves the {place} warehouse.",
        "The package arrived on {day} with a torn carton and the shipping label of somebody else.",
        "Our shipment to {place} has been stuck at customs since {day}, and the courier tells us nothing.",
        "The delivery date for the {product} was moved to {day} without asking; where is the parcel now?",
    ),
    "returns": (
        "I want to send the {product} back because it does not fit our {place} office.",
        "How do I get a return label for the {product} from order {order}?",
        "I returned {count} items on {day} and have not heard about the refund of {amount}.",
        "The {product} came in the wrong colour, so I would like to exchange it.",
        "We would like to return order {order} unopened and have {amount} refunded.",
        "The return of the {product} was refused on {day} although it is still in its box.",
        "Is it possible to exchange {count} pieces of the {product} for the larger size?",
        "My refund of {amount} for the returned {product} is lower than what I sent back.",
        "The return form does not accept order {order}, and I want to send back {count} items for a refund.",
        "Somebody must pick up the {product} that we want to return from {place}; an exchange is fine too.",
    ),
    "account": (
        "I cannot log in to my profile since {day} because the password reset mail never comes.",
        "Please change the user name on our account from the old {place} office to the new one.",
        "My account was locked on {day} after {count} tries with the right password.",
        "How can I add {count} colleagues as users to our company account?",
        "The profile page shows the old company name and I cannot edit the account details.",
        "Please close the account of our {place} branch, we log in with another one now.",
        "I would like to merge two user profiles into one account under the {place} office.",
        "The link to confirm my new login has expired, so the account stays inactive since {day}.",
        "Resetting the password for our {place} user fails with message {order} and the account stays locked.",
        "The user who owned our account left on {day}; who can give me the login rights for the profile?",
    ),
    "technical": (
        "The {product} shows error {order} and restarts every {count} minutes.",
        "After the update on {day} the app crashes as soon as I open the settings of the {product}.",
        "The {product} does not connect to the network in our {place} office any more.",
        "The screen of the {product} freezes and the error log is full of code {order}.",
        "Installing the driver for the {product} fails with error {order} on {count} computers.",
        "The software of the {product} runs very slowly since the update on {day}.",
        "Exporting data from the app stops at {count} percent with an error message.",
        "The {product} will not switch on since {day}, the firmware light just blinks.",
        "The app cannot find the {product}, and the setup ends with error {order} after the firmware update.",
        "Since {day} our {count} devices lose the network connection and the software crashes.",
    ),
    "security": (
        "Somebody in {place} tried to sign in with my name on {day}, it looks like an attack.",
        "I received a phishing mail on {day} that pretends to be from your team.",
        "We found a vulnerability in the {product} that lets anybody read private data.",
        "Please tell us whether the data breach of {day} affects our {place} office.",
        "A stranger had access to our files on {day} and we suspect that data was stolen.",
        "Can you confirm that the {product} encrypts our private data on the disk?",
        "A suspicious message asks us to confirm {amount}; is it a fraud attempt?",
        "Our audit needs proof of how access to private data in the {product} is protected.",
        "We noticed {count} suspicious attempts to get access from {place} on {day}; was data stolen?",
        "A phishing page that copies the {product} site collects private data of our {place} staff.",
    ),
    "subscriptions": (
        "I want to cancel our subscription to the {plan} plan at the end of the month.",
        "Please upgrade our subscription from the {plan} plan to the next tier for {count} seats.",
        "The trial of the {plan} plan ended on {day}, and I would like to extend it.",
        "Our {plan} plan renewed on {day} although we had switched off the automatic renewal.",
        "Can we pause the {plan} subscription for our {place} office until {day}?",
        "How many seats does the {plan} plan include, and can we renew for {count}?",
        "We would like to move from monthly to yearly renewal of the {plan} plan.",
        "The {plan} plan shows {count} seats, but our subscription should have more.",
        "Please stop the renewal of the {plan} subscription on {day} and downgrade our {count} seats.",
        "When does our subscription renew, and can the trial of the {plan} plan run until {day}?",
    ),
    "sales": (
        "We are interested in {count} pieces of the {product}, can you send us an offer?",
        "Is there a discount on the {product} if we buy more than {count}?",
        "Could somebody from sales show us a demo of the {product} in {place}?",
        "We compare vendors and need a quote for the {product} for our {place} office.",
        "What is the price of the {product} for schools that want to buy {count}?",
        "Please call us back about an offer for a new store in {place}.",
        "Does the {product} come in a bundle, and what would {count} of them cost to buy?",
        "We saw the {product} at a fair in {place} and want to know the price and the stock.",
        "Our {place} store wants to buy {count} of the {product}; which discount can sales offer us?",
        "Before we buy we would like a demo and a quote: {count} of the {product} for {place}.",
    ),
}
"""Ten templates per team; the last two are used only in the eval set."""

UNSEEN_TEMPLATES = 2

URGENCY_CUES: dict[str, tuple[str, ...]] = {
    "high": (
        "We cannot work until this is solved.",
        "This is blocking our whole team, please answer within the hour.",
        "It is urgent, our customers are waiting right now.",
        "The deadline is tonight, so please help at once.",
        "Every hour of this costs us money, please act immediately.",
        "Please treat it as an emergency.",
        "We need a solution today, as soon as possible.",
        "Everything stands still here and my manager is waiting, so it is urgent.",
        "I must have an answer immediately, the launch is this afternoon.",
        "Nobody here can work any more, please call at once.",
    ),
    "normal": (
        "Please have a look at it this week.",
        "It would be good to hear from you in the next days.",
        "Please let me know how we should go on.",
        "A reply by the end of the week would help.",
        "Could you check that and write back in a few days?",
        "I look forward to your answer this week.",
        "Please tell me what the next step is.",
        "We would like to have it settled by next week.",
        "Let me know what you need from us for the next step.",
        "An answer in the coming days would be fine.",
    ),
    "low": (
        "There is no rush at all.",
        "Take your time, it is not important.",
        "Whenever you find the time is fine.",
        "It is only a small thing and can wait.",
        "No hurry, next month is early enough.",
        "I am just curious, so answer when it suits you.",
        "This has low priority for us and can wait.",
        "It does not matter much, some day is fine.",
        "Please do not hurry because of me.",
        "We do not depend on it, so take your time.",
    ),
}

OPENINGS = (
    "", "", "", "Hello,", "Hi there,", "Good morning,", "Dear support team,", "Good evening,", "Hello everybody,",
    "I hope that you are well.", "Thank you for the quick help last time.", "I have a question.", "We need your help.",
    "I am writing for our {place} office.", "This is my second message about it.", "I could not find it in the manual.",
)  # fmt: skip

CONTEXTS = (
    "", "", "", "We have been customers for {count} years.",
    "My colleague from {place} noticed it on {day}.",
    "The same happened in {place} on {day}.", "It concerns our team of {count} people.", "I already asked on {day}.",
    "A friend of mine in {place} had the same.", "It was fine until {day}.",
    "The {place} office told me to write to you.",
    "We looked through all mails since {day}.", "Two of us in {place} have checked it again.", "It came up on {day}.",
    "I have been on holiday since {day}.", "This is the first time in {count} years.", "I tried it {count} times.",
    "We talked about it on {day} in {place}.", "I am new in the {place} office.", "My notes from {day} say the same.",
)  # fmt: skip

CLOSINGS = (
    "", "", "", "Thank you.", "Many thanks for your help.", "Best regards from {place}.", "Kind regards.",
    "Thanks a lot.",
    "Have a nice day.", "Greetings from {place}.", "Thank you for your patience.", "All the best.", "Yours sincerely.",
)  # fmt: skip

SLOTS: dict[str, tuple[str, ...]] = {
    "product": (
        "desk lamp", "laser printer", "coffee machine", "office chair", "label scanner", "wireless keyboard",
        "conference camera", "standing desk", "water filter", "paper shredder", "wall projector", "smart lock",
        "cash drawer", "barcode reader", "air purifier", "docking station", "tablet holder", "network switch",
        "noise sensor", "voice recorder", "garden heater", "bike trailer", "camping stove", "kitchen scale",
    ),
    "place": (
        "Berlin", "Lyon", "Porto", "Turin", "Gdansk", "Bergen", "Leeds", "Cork", "Ghent", "Graz", "Malmo", "Tartu",
        "Seville", "Patras", "Split", "Brno", "Utrecht", "Basel", "Aarhus", "Tampere",
    ),
    "plan": ("basic", "starter", "team", "business", "silver", "gold", "campus", "studio", "family", "premium"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
}  # fmt: skip

ACTIONS: dict[str, str] = {
    "billing": "Our billing desk checks the invoice",
    "shipping": "Our shipping desk traces the parcel",
    "returns": "Our returns desk prepares the return",
    "account": "Our account desk looks into the login",
    "technical": "Our technicians look into the error",
    "security": "Our security desk examines the incident",
    "subscriptions": "Our subscription desk changes the plan",
    "sales": "Our sales desk prepares an offer",
}
TIMES: dict[str, str] = {"high": "within the hour.", "normal": "this week.", "low": "when it is its turn."}
