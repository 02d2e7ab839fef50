"""Given names: who is called what, and which names are names of their own.

Well-known names of the German and English speaking world, folded as `name_agreement` folds them.
Two names of one letter's difference are a typo only if they are not both names (Marvin, Martin).
"""

from __future__ import annotations

__all__ = ["NAMES", "NICKNAMES", "SPELLINGS"]

NICKNAMES = (
    "johann hans johannes hannes",
    "elisabeth lisi lisa elise sissi liesl elizabeth liz beth betty",
    "katharina kathi kathrin katrin kati catherine katherine kate cathy",
    "robert bob rob robbie bert",
    "william bill will billy willi wilhelm", "michael mike michi michel mick",
    "susanne susi susan sue",
    "thomas tom tommy", "stefan steff steffen stephan steve steven stephen",
    "daniel dan danny dani",
    "josef sepp joseph joe pepi", "franz franzl", "georg schorsch george", "maximilian max maxi",
    "alexander alex sascha xandi", "alexandra alex sandra sascha", "andreas andi andy andrew",
    "christian chris christl", "christine christl tina chris", "christoph chris christopher stoffl",
    "friedrich fritz fred freddy", "heinrich heinz heini henry harry", "ludwig luis lou",
    "margarete grete gretl greta margaret maggie meg peggy", "matthias matthew matt hias",
    "nikolaus klaus niki nicholas nick nico", "anton toni anthony tony", "barbara babsi barb",
    "benjamin ben benni", "charles charlie chuck karl", "edward ed eddie ted eduard edi",
    "gabriele gabi", "jakob jacob jake jack", "james jim jimmy jamie", "jennifer jenny jen",
    "john jack johnny jon jonathan", "patrick pat paddy", "patricia pat patty tricia", "peter pete",
    "philipp phil philip", "rebecca becky", "richard rick dick richie", "samuel sam sami",
    "theresa resi therese terry tess", "veronika vroni vera", "victoria vicky viktoria",
    "ulrike uli", "ulrich uli", "wolfgang wolfi", "gerhard gerd gerry", "helene leni helen lena",
    "magdalena leni lena magda", "sebastian wastl seb basti", "leopold poldi leo",
    "ferdinand ferdi",
)  # fmt: skip
"""Names that one person may go by, a row each."""

SPELLINGS = (
    "sara sarah", "hanna hannah", "lukas lucas", "luka luca", "mark marc", "markus marcus",
    "marko marco", "erik eric", "sofia sophia", "silvia sylvia", "monika monica", "marta martha",
    "oskar oscar", "ralf ralph", "tanja tanya", "julia giulia", "zoe zoey", "juliana juliane",
    "katharina catharina", "teresa theresa", "karl carl", "klara clara", "jasmin yasmin",
    "miriam mirjam", "natalie nathalie", "walter walther", "gunther gunter", "rene renee",
)  # fmt: skip
"""One name, spelt in two ways."""

NAMES = frozenset(
    (
        "aaron abigail adam adrian aisha alan albert alena alice alina alma amanda amber amelie "
        "amir amy ana angela anita anja anna annabel anne annika antonia arthur ashley astrid "
        "audrey austin beatrice bernd bernhard bettina bianca birgit bjorn boris brandon brian "
        "brigitte bruce bruno caitlin cameron camilla carina carla carlo carlos carmen carol "
        "caroline carolyn celina celine charlotte chloe claire clara claudia colin connor conny "
        "cooper cornelia courtney craig cynthia dagmar damian darius darren david deborah "
        "denise dennis diana diane dieter dietmar dmytro dominik dominique donald donna doris "
        "douglas dylan ebony elena elias elif elisa eliza elke ella ellen ellie elsa emil "
        "emilia emilie emily emine emma erich erik erika erin erwin esther ethan eva evan "
        "evelyn fabian fatima felix finn fiona flora florian frank frieda gabriel gavin gemma "
        "georg georgia georgina gerda gillian gisela glenn gloria gottfried grace graham gregor "
        "gregory gudrun gunther gustav hakan hamish hanna hannah harald harriet hayley heather "
        "hedwig heidi heike helga helmut herbert hermine herta hilda hubert hugh ian ida igor "
        "ilse ines inge ingrid irena irene iris irma isaac isabel isabella isabelle isla ivan "
        "ivana jade jan jana janine jasmin jasmina jasmine jason jeffrey jelena jemma jessica "
        "joan joanna joel johanna jonas jordan jorg josefa joshua joyce judith julia julian "
        "juliana juliane julius jurgen justin karen karim karin karina karla karoline kayla "
        "keith kelly kelsey kenneth kevin kim kirsten kurt kyle lachlan lara larissa laura "
        "laurence lea leah leila leon leonie leonora leslie liam lily linda lisa livia logan "
        "lorena lorenz louis louisa louise luca lucas lucia lucie lucy luise luka lukas luke "
        "lydia lynn malcolm malte manfred manuel manuela marc marcel marco marcus maria marian "
        "mariana marie marina mario marion marius mark marko markus marlene marlies marta "
        "martha martin martina marvin mary mason mateo mathilda matilda mehmet melanie melina "
        "melissa mia michal mila milan milena mina mira miriam mirjam mirko mitchell molly mona "
        "monica monika moritz murat mustafa nadia nadine nadja nancy naomi natalia natalie "
        "natascha natasha nathan neil nicole nina noah nora norbert olive oliver olivia oscar "
        "oskar otto owen paige pamela pascal paul paula paulina petra philippa portia rachel "
        "rainer ralf ralph ramona raymond regina renate rene renee rhys roberta robin roger "
        "roland roman romana ronald rory rosa rosalinde rose rosi ruben rudolf russell ruth "
        "ryan sabine sabrina salma samantha samira sandra sandro sara sarah saskia scott sean "
        "selina selma serena sergio shane sharon shirley siegfried sienna silke silvia simon "
        "simona simone sofia sonja sophia sophie spencer stefanie stella stuart susannah sven "
        "svenja sylvia tamara tanja tanya tatjana taylor terence teresa theo theodor tim timo "
        "timothy tina tobias toby tracy travis trevor tristan tyler ursula ute valentin "
        "valentina valeria valerie vanessa vera verena viktor vincent viola violetta virginia "
        "walpurga walter wanda warren wayne wendy werner yannick yasmin yusuf yvonne zachary "
        "zara zoe zoltan"
    ).split()
)
"""Names without a nickname among the above."""
